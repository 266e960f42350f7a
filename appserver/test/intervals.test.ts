import { expect } from 'chai';
import fc from 'fast-check';
import { add, has, type Interval, intersect, normalise, size, subtract, through } from '../src/receiver/intervals.ts';

const interval = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 }))
  .map(([first, length]) => ({ first, last: first + length }));
const intervals = fc.array(interval, { maxLength: 12 });

const members = (list: readonly Interval[]): Set<number> => {
  const set = new Set<number>();
  for (const { first, last } of list) for (let n = first; n <= last; n++) set.add(n);
  return set;
};

describe('Intervals', () => {
  it('hold what a set of numbers holds, and neither overlap nor touch', () => {
    fc.assert(
      fc.property(intervals, (list) => {
        const set = normalise(list);
        expect(members(set)).to.deep.equal(members(list));
        expect(size(set)).to.equal(members(list).size);
        for (let i = 1; i < set.length; i++) expect(set[i]!.first).to.be.greaterThan(set[i - 1]!.last + 1);
        for (let n = 1; n <= 75; n++) expect(has(set, n)).to.equal(members(list).has(n));
      }),
    );
  });

  it('say what an addition replaces, so that a table can follow', () => {
    fc.assert(
      fc.property(intervals, interval, (list, one) => {
        const before = normalise(list);
        const { set, removed, added } = add(before, one);
        const rows = new Set(before.map((row) => JSON.stringify(row)));
        for (const row of removed) rows.delete(JSON.stringify(row));
        rows.add(JSON.stringify(added));
        expect([...rows].map((row) => JSON.parse(row)).toSorted((a, b) => a.first - b.first)).to.deep.equal([...set]);
      }),
    );
  });

  it('subtract and intersect as sets do', () => {
    fc.assert(
      fc.property(intervals, intervals, interval, (a, b, one) => {
        const [left, right] = [normalise(a), normalise(b)];
        expect(members(subtract(left, right))).to.deep.equal(members(left).difference(members(right)));
        expect(members(intersect(left, one))).to.deep.equal(members(left).intersection(members([one])));
      }),
    );
  });

  it('know up to where nothing is missing', () => {
    expect(through([])).to.equal(0);
    expect(through([{ first: 2, last: 9 }])).to.equal(0);
    expect(
      through([
        { first: 1, last: 4 },
        { first: 6, last: 9 },
      ]),
    ).to.equal(4);
  });
});
