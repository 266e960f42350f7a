import { expect } from 'chai';
import fc from 'fast-check';
import { account, bury, type TombstoneRange, unbury } from '../src/ledger/tombstone-ranges.ts';
import { add, type Intervals, normalise } from '../src/receiver/intervals.ts';

const TOP = 30;
type Fate = 'delivered' | 'held' | 'filtered' | 'merged' | 'expired' | undefined;
type Step =
  | { do: 'arrive'; sequence: number }
  | { do: 'receipt'; first: number; last: number; reason: 'held' | 'filtered' | 'merged' | 'expired' };

const place = fc.integer({ min: 1, max: TOP });
const step: fc.Arbitrary<Step> = fc.oneof(
  place.map((sequence) => ({ do: 'arrive' as const, sequence })),
  fc
    .tuple(
      place,
      fc.integer({ min: 0, max: 8 }),
      fc.constantFrom('held' as const, 'filtered' as const, 'merged' as const, 'expired' as const),
    )
    .map(([first, length, reason]) => ({ do: 'receipt' as const, first, last: Math.min(TOP, first + length), reason })),
);

/** The ledger of one stream in memory, by the functions that the writer uses. */
class Stream {
  seen: Intervals = [];
  tombstones: TombstoneRange[] = [];

  take(one: Step): void {
    if (one.do === 'arrive') {
      this.#apply(unbury(this.tombstones, one.sequence));
      this.seen = add(this.seen, { first: one.sequence, last: one.sequence }).set;
    } else {
      const { first, last, reason } = one;
      this.#apply(bury(this.tombstones, this.seen, { first, last, reason, rule: null, aggregate: null, at: 'm1' }));
      this.seen = add(this.seen, { first, last }).set;
    }
  }

  #apply({ removed, added }: ReturnType<typeof bury>): void {
    this.tombstones = [...this.tombstones.filter((range) => !removed.includes(range)), ...added];
  }
}

/** What must be said of each sequence, kept one by one. */
function model(steps: readonly Step[]): Map<number, Fate> {
  const fates = new Map<number, Fate>();
  for (const one of steps) {
    if (one.do === 'arrive') fates.set(one.sequence, 'delivered');
    else
      for (let n = one.first; n <= one.last; n++)
        if ([undefined, 'held'].includes(fates.get(n))) fates.set(n, one.reason);
  }
  return fates;
}

describe('Ledger', () => {
  it('L1 L2 L3: says of every sequence what a list of fates, kept one by one, says', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const stream = new Stream();
        for (const one of steps) stream.take(one);
        const { delivered, explained, missing, highest } = account(
          stream.seen.map((interval) => ({ ...interval, at: 0 })),
          stream.tombstones,
        );
        const said = new Map<number, Fate>();
        const say = (first: number, last: number, fate: Fate) => {
          for (let n = first; n <= last; n++) {
            expect(said.has(n), `${n} in two lines`).to.equal(false);
            said.set(n, fate);
          }
        };
        for (const { first, last } of delivered) say(first, last, 'delivered');
        for (const { first, last, reason } of explained) say(first, last, reason as Fate);
        for (const { first, last } of missing) say(first, last, undefined);
        const wanted = model(steps);
        expect(highest).to.equal(Math.max(0, ...wanted.keys()));
        for (let n = 1; n <= highest; n++) expect(said.get(n), `sequence ${n}`).to.equal(wanted.get(n));
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps rule, aggregate and place of a range that is cut', () => {
    const range: TombstoneRange = { first: 1, last: 9, reason: 'filtered', rule: 'r', aggregate: null, at: 'm1' };
    const { added } = unbury([range], 5);
    expect(added).to.deep.equal([
      { ...range, last: 4 },
      { ...range, first: 6 },
    ]);
  });

  it('counts nothing twice when a receipt comes again', () => {
    const range: TombstoneRange = { first: 1, last: 9, reason: 'filtered', rule: 'r', aggregate: null, at: 'm1' };
    expect(bury([range], normalise([range]), range)).to.deep.equal({ removed: [], added: [] });
  });
});
