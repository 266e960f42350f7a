import { silentLogger } from '@backhaul/runtime';
import { expect } from 'chai';
import type { Arrival } from '../src/receiver/arrival.ts';
import { Refusals } from '../src/receiver/refusals.ts';
import type { SqlRow, Transaction } from '../src/store/database.ts';

describe('Refusals', () => {
  /** The rows as the store would have them. */
  const rows = new Set<string>();
  const commit = async (work: (tx: Transaction) => Promise<void>) => {
    const after: (() => void)[] = [];
    const run = async (statement: string, given: readonly SqlRow[]) => {
      const keys = given.map((row) => row.slice(0, 4).join(' '));
      for (const key of keys) statement.startsWith('DELETE') ? rows.delete(key) : rows.add(key);
      return given.length;
    };
    await work({ run, afterCommit: (action: () => void) => after.push(action) } as unknown as Transaction);
    for (const action of after) action();
  };
  const arrival = (sequence: number) =>
    ({
      header: { source: 'c1.p1', epoch: 'e', lane: 4, sequence, class: 'x' },
      ...{ scope: { customer: 'c1', site: null, instance: null }, receivedAt: 1 },
      verdict: { accepted: false, code: 'BH-E-SPOOF', detail: 'no' },
    }) as unknown as Arrival;

  it('a flood of messages that are refused stays bounded, in memory and in the store; the newest are known [T-A35]', async () => {
    const refusals = new Refusals(silentLogger);
    for (let n = 0; n < 40; n++)
      await commit(async (tx) => {
        for (let m = 0; m < 1_000; m++) await refusals.remember(tx, arrival(1_000 * n + m), 'alarms');
      });
    expect(rows.size).to.be.within(7_000, 12_100);
    expect(refusals.has(arrival(39_999))).to.equal(true);
    expect(refusals.has(arrival(0))).to.equal(false);
  });
});
