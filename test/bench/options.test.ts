import { expect } from 'chai';
import { helpText } from './help.ts';
import { readBenchOptions } from './options.ts';
import { ALL_WORKLOADS } from './workloads/all-workloads.ts';

describe('Words of npm run bench', () => {
  it('name workloads; without any, all are meant', () => {
    expect(readBenchOptions([]).names).to.deep.equal([]);
    expect(readBenchOptions(['latency', '--pairs', '3', '--json'])).to.deep.include({
      names: ['latency'],
      pairs: 3,
      json: true,
      small: false,
    });
  });

  it('are refused where they mean nothing', () => {
    for (const words of [['--pairs', '0'], ['--pairs', 'five'], ['--quickly'], ['--pairs']])
      expect(() => readBenchOptions(words), words.join(' ')).to.throw();
  });

  it('are explained, each workload by its name', () => {
    const help = helpText(ALL_WORKLOADS, ['spool']);
    for (const { name } of ALL_WORKLOADS) expect(help).to.match(new RegExp(`^  ${name} `, 'm'));
  });

  it('name workloads that are under a quarter of an hour, each with a name of its own', () => {
    expect(new Set(ALL_WORKLOADS.map(({ name }) => name)).size).to.equal(ALL_WORKLOADS.length);
    for (const { name, minutes } of ALL_WORKLOADS) expect(minutes, name).to.be.at.most(15);
  });
});
