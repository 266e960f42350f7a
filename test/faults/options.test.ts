import { expect } from 'chai';
import { readOptions } from './options.ts';

const SUITES = ['kills', 'lines'];

describe('Options of test:faults', () => {
  it('are the gate with seed 1 when nothing is said', () => {
    expect(readOptions([], SUITES)).to.deep.include({ profile: 'gate', seed: 1, only: [], shard: { index: 1, of: 1 } });
  });

  it('name a part of the night and suites', () => {
    const options = readOptions(['--nightly', '--shard', '3/8', '--only', 'kills,lines', '--count', '7'], SUITES);
    expect(options).to.deep.include({ profile: 'nightly', shard: { index: 3, of: 8 }, only: SUITES, count: 7 });
  });

  for (const words of [
    ['--shard', '9/8'],
    ['--shard', '0/8'],
    ['--shard', 'x'],
    ['--only', 'nothing'],
    ['--seed', '-1'],
    ['--count', '1.5'],
    ['--what'],
  ])
    it(`refuse ${words.join(' ')}`, () => {
      const said: string[] = [];
      const { error } = console;
      console.error = (line: string) => said.push(line);
      try {
        expect(readOptions(words, SUITES)).to.equal(undefined);
      } finally {
        console.error = error;
      }
      expect(said.join()).to.contain('test:faults:');
    });
});
