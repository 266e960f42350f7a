import { temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import type { Comparison, WorkloadResult } from '../workload.ts';
import { comparisonRow, readable } from './comparison-row.ts';
import { consoleReport, textTable } from './console-report.ts';
import { type KeptResult, keepResult, keptResults } from './kept-result.ts';
import { thisMachine } from './machine.ts';
import { markdownReport, markdownTable } from './markdown-report.ts';
import { withPart } from './page.ts';

const comparison: Comparison = {
  ...{ what: 'batches up to 256', unit: 'messages/s', peer: 'A broker (1.2)' },
  durability: { ours: 'synced', theirs: 'not synced' },
  batch: { ours: 256, theirs: 1 },
  syncsPerMessage: { ours: 0.0123, theirs: undefined },
  pairs: [
    { ours: 3000, theirs: 1000 },
    { ours: 2000, theirs: 1000 },
    { ours: 1000, theirs: 1000 },
  ],
  aim: { better: 'more', reach: 2, goFor: 3 },
};
const result: WorkloadResult = {
  ...{ workload: 'throughput', setting: 'How it was.', seconds: 12, missing: ['another: not installed'] },
  comparisons: [comparison],
  figures: [{ title: 'Memory', columns: ['process', 'MiB'], rows: [['a|b', 12]] }],
};
const kept: KeptResult = { result, machine: thisMachine(), at: '2026-11-30T09:00:00.000Z' };

describe('Reports of the benchmark', () => {
  it('give the ratio of pairs, what is aimed at and whether it was reached', () => {
    expect(comparisonRow(comparison)).to.deep.equal([
      ...['batches up to 256', 'A broker (1.2)', 'messages/s', '2,000', '1,000', '1.00 – 2.00 – 3.00', '3'],
      ...['≥ 2, go for ≥ 3', 'yes', '256 : 1', '0.0123 : ?'],
    ]);
  });

  it('know that less may be better, and that there may be no aim', () => {
    const reached = (goFor: number) =>
      comparisonRow({ ...comparison, aim: { better: 'less', reach: 2, goFor } }).slice(7, 9);
    expect(reached(1.5)).to.deep.equal(['≤ 2, go for ≤ 1.5', 'yes']);
    expect(reached(2)).to.deep.equal(['≤ 2, go for ≤ 2', 'yes, both']);
    const { aim: _, ...without } = comparison;
    expect(comparisonRow(without).slice(7, 9)).to.deep.equal(['none', '']);
  });

  it('round to what can be read', () => {
    expect([0.012345, 1.2345, 99.96, 12_345.6, Number.NaN].map(readable)).to.deep.equal([
      ...['0.0123', '1.23', '100', '12,346', '?'],
    ]);
  });

  it('say for a terminal what was measured, on what, and what was not', () => {
    const text = consoleReport(kept);
    for (const part of ['How it was.', 'A broker (1.2): not synced', 'another: not installed', 'cores'])
      expect(text).to.include(part);
    const [, head, line, row] = textTable(result.figures[0]!).trim().split('\n');
    expect([head, line, row]).to.deep.equal(['process  MiB', '────────────', 'a|b       12']);
  });

  it('are Markdown for the page', () => {
    const text = markdownReport([kept], { throughput: 'Throughput' });
    expect(text).to.include('### Throughput\n').and.to.include('2026-11-30');
    expect(markdownTable(result.figures[0]!)).to.equal('| process | MiB |\n|---|---|\n| a\\|b | 12 |\n');
  });

  it('take the place of what stood between the marks, and of nothing else', () => {
    expect(withPart('a\n<!-- bench -->\nold\n<!-- /bench -->\nz', 'bench', 'new\n')).to.equal(
      'a\n<!-- bench -->\nnew\n<!-- /bench -->\nz',
    );
    expect(() => withPart('a page', 'bench', 'new')).to.throw('no marks');
  });

  it('are made from results that are kept, one file a workload', async () => {
    await using folder = await temporaryDirectory();
    keepResult(kept, folder.path);
    keepResult({ ...kept, at: 'later' }, folder.path);
    const [one, ...others] = keptResults(['latency', 'throughput'], folder.path);
    expect(one).to.have.property('at', 'later');
    expect(one!.result.comparisons.map(comparisonRow)).to.deep.equal([comparisonRow(comparison)]);
    expect(others).to.deep.equal([]);
  });
});
