import { type Data, readReceipts, type Tombstone } from '@backhaul/envelope';
import type { Removed } from '@backhaul/spool';
import { expect } from 'chai';
import fc from 'fast-check';
import { receiptDrafts, tombstonesOf } from '../src/outbox/receipts.ts';

const PROXY = 'c12345678.p1';

const removed = (
  sequence: number,
  extra: { lane?: number; reason?: Removed['reason']; epoch?: string } = {},
): Removed => ({
  entry: {
    id: String(sequence),
    source: PROXY,
    epoch: extra.epoch ?? '00000000000000aa',
    lane: extra.lane ?? 6,
    sequence,
    class: 'x-t',
    subclass: 's',
    header: Buffer.alloc(0),
  },
  reason: extra.reason ?? 'expired',
});
const covers = ({ source, epoch, lane, from, to, reason }: Tombstone, { entry, reason: why }: Removed): boolean =>
  source === entry.source &&
  epoch === entry.epoch &&
  lane === entry.lane &&
  reason === why &&
  from <= entry.sequence &&
  entry.sequence <= to;

describe('receipts', () => {
  it('are ranges of neighbours', () => {
    const ranges = tombstonesOf(
      [3, 1, 2, 7, 8].map((sequence) => removed(sequence)),
      PROXY,
    );
    expect(ranges.map(({ from, to }) => [from, to])).deep.equal([
      [1, 3],
      [7, 8],
    ]);
  });

  it('cover exactly what left: nothing is missing, nothing is invented', () => {
    const one = fc.record({
      sequence: fc.integer({ min: 1, max: 30 }),
      lane: fc.constantFrom(2, 6),
      reason: fc.constantFrom('expired' as const, 'evicted' as const),
    });
    const many = fc.uniqueArray(one, { selector: ({ lane, sequence }) => `${lane} ${sequence}`, maxLength: 40 });
    fc.assert(
      fc.property(many, (list) => {
        const gone = list.map(({ sequence, ...extra }) => removed(sequence, extra));
        const ranges = tombstonesOf(gone, PROXY);
        for (const each of gone) expect(ranges.filter((range) => covers(range, each))).length(1);
        expect(ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0)).equal(gone.length);
      }),
    );
  });

  it('go up in the lane of what they replace', () => {
    const drafts = receiptDrafts(tombstonesOf([removed(1), removed(9, { lane: 2 })], PROXY));
    expect(drafts.map(({ lane }) => lane)).deep.equal([2, 6]);
    expect(readReceipts(drafts[0]!.content as Data)).deep.equal([
      { source: PROXY, epoch: '00000000000000aa', lane: 2, from: 9, to: 9, reason: 'expired', at: PROXY },
    ]);
  });

  it('a receipt that was refused for good gets none itself: it would go round for ever', () => {
    const receipt: Removed = {
      entry: { ...removed(1).entry, class: 'infrastructure', subclass: 'receipt' },
      reason: 'dead-letter',
    };
    expect(tombstonesOf([receipt], PROXY)).empty;
    expect(tombstonesOf([{ ...receipt, reason: 'expired' }], PROXY)).length(1);
  });
});
