import { expect } from 'chai';
import type { Report } from './report.ts';
import { addUp, markdown } from './table.ts';

const result = {
  faults: 3,
  lost: 0,
  duplicated: 1,
  unexplained: 0,
  undetected: 0,
  refusedToStart: 0,
  messages: 1_500,
  ledger: { filtered: 300, delivered: 1_200, held: 0, unexplained: 0 },
  notes: [],
};
const report = (index: number, suites: Report['suites']): Report => ({
  profile: 'nightly',
  shard: { index, of: 2 },
  seed: 1,
  version: '0.1.0',
  date: '2026-11-21',
  machine: 'a machine',
  seconds: 90,
  suites,
});

describe('Table of faults', () => {
  it('adds up the parts of a night, a suite to a row', () => {
    const kills = { name: 'kills', title: 'kill -9', seconds: 1, result };
    const table = addUp([report(1, [kills]), report(2, [kills])]);
    expect(table.rows).to.have.length(1);
    expect(table.rows[0]).to.include({ faults: 6, messages: 3_000, duplicated: 2, lost: 0 });
    expect(table.heading).to.contain('2 parts, 3 minutes');
    expect(markdown(table)).to.contain('added up: delivered 2,400, filtered 600, unexplained 0.');
    expect(markdown(table)).to.contain('| kill -9 | 6 | 3,000 | 0 | 2 | 0 | 0 | 0 |');
  });

  it('says what was not run, and why', () => {
    const cuts = { name: 'power-cuts', title: 'power cut', seconds: 0, missing: 'mounting needs root' };
    expect(markdown(addUp([report(1, [cuts])]))).to.contain('| power cut | not run here: mounting needs root |');
  });
});
