import { CLOSED_DAYS, commitChanges, MemoryStore, SeenIntervals } from '@backhaul/spool';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';

const SOURCE = 'c0000test.p1';
const EPOCH = '00000000000000e1';

describe('SeenIntervals', () => {
  let store: MemoryStore;
  beforeEach(async () => {
    store = new MemoryStore();
    await store.start();
  });
  afterEach(() => store.stop());

  const clock = new FakeClock();
  const make = async (
    bounds: { maxIntervals?: number; maxEpochs?: number; maxClosed?: number } = {},
  ): Promise<SeenIntervals> => {
    const seen = new SeenIntervals({ store, clock, prefix: 'seen', ...bounds });
    await seen.load();
    return seen;
  };
  const mark = (from: number, to = from, epoch = EPOCH, lane = 4) => ({ source: SOURCE, epoch, lane, from, to });
  const has = (seen: SeenIntervals, sequence: number): boolean => seen.has(SOURCE, EPOCH, 4, sequence);
  const hasRoom = (seen: SeenIntervals, sequence: number): boolean => seen.hasRoom(SOURCE, EPOCH, 4, sequence);

  it('equals a set of numbers, before and after a restart', async () => {
    const ranges = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 6 })), {
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(ranges, async (given) => {
        store = new MemoryStore();
        await store.start();
        const seen = await make();
        const set = new Set<number>();
        for (const [from, more] of given) {
          await commitChanges(store, [seen.stage([mark(from, from + more)])]);
          for (let n = from; n <= from + more; n += 1) set.add(n);
        }
        const through = Math.max(...set);
        for (const each of [seen, await make()]) {
          for (let n = 1; n <= 70; n += 1) expect(has(each, n)).to.equal(set.has(n));
          if (given.length > 0)
            expect(each.marks(SOURCE)).to.deep.equal([{ source: SOURCE, epoch: EPOCH, lane: 4, through }]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('a mark counts once it is submitted, and not when it was dropped', async () => {
    const seen = await make();
    seen.stage([mark(1)]);
    expect(has(seen, 1)).to.equal(false);
    const commit = commitChanges(store, [seen.stage([mark(1)])]);
    expect(has(seen, 1)).to.equal(true);
    await commit;
  });

  it('forgets what a failed commit would have marked', async () => {
    const seen = await make();
    store.failWrites(1);
    await commitChanges(store, [seen.stage([mark(7)])]).catch(() => {});
    while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    expect(has(seen, 7)).to.equal(false);
  });

  it('T-A35: at the bound only the lowest missing sequence is taken, so that it can only shrink', async () => {
    const seen = await make({ maxIntervals: 4 });
    for (const n of [3, 5, 7, 9]) {
      expect(hasRoom(seen, n)).to.equal(true);
      await commitChanges(store, [seen.stage([mark(n)])]);
    }
    expect([11, 4, 8, 2].map((n) => hasRoom(seen, n))).to.deep.equal([false, false, false, false]);
    expect(hasRoom(seen, 1)).to.equal(true);
    await commitChanges(store, [seen.stage([mark(1)])]);
    expect(hasRoom(seen, 2)).to.equal(true);
    await commitChanges(store, [seen.stage([mark(2), mark(4)])]);
    expect(hasRoom(seen, 11)).to.equal(true);
    expect(seen.marks(SOURCE)[0]!.through).to.equal(9);
  });

  describe('T-A35: epochs of a source are bounded, and nothing that may be sent again is done twice', () => {
    const epochOf = (n: number): string => String(n).padStart(16, '0');
    const isSeen = (seen: SeenIntervals, n: number, sequence: number) => seen.has(SOURCE, epochOf(n), 4, sequence);
    const isRoom = (seen: SeenIntervals, n: number, sequence: number) => seen.hasRoom(SOURCE, epochOf(n), 4, sequence);
    const begin = (seen: SeenIntervals, n: number): Promise<void> =>
      commitChanges(store, [seen.stage([mark(1, 3, epochOf(n)), mark(5, 5, epochOf(n)), mark(7, 7, epochOf(n), 6)])]);

    it('the ninth closes the oldest: what it had without a gap is seen, what lies above is refused, on disk too', async () => {
      const seen = await make();
      for (let n = 1; n <= 9; n += 1) await begin(seen, n);
      await commitChanges(store, [seen.stage([mark(4, 4, epochOf(1))])]); // changes nothing
      for (const each of [seen, await make()]) {
        expect([1, 3, 4, 5, 6].map((sequence) => isSeen(each, 1, sequence))).to.deep.equal([
          true,
          true,
          false,
          false,
          false,
        ]);
        expect([4, 5, 6].map((sequence) => isRoom(each, 1, sequence))).to.deep.equal([false, false, false]);
        expect(each.hasRoom(SOURCE, epochOf(1), 8, 1)).to.equal(false);
        expect([5, 6].map((sequence) => isSeen(each, 2, sequence))).to.deep.equal([true, false]);
        expect(isRoom(each, 2, 6)).to.equal(true);
        expect(each.newestEpoch(SOURCE)).to.equal(epochOf(9));
        expect(each.marks(SOURCE).map(({ epoch }) => epoch)).to.include(epochOf(1));
      }
    });

    it('a closed epoch never becomes the newest again', async () => {
      const seen = await make();
      for (let n = 1; n <= 12; n += 1) await begin(seen, n);
      await begin(seen, 1);
      expect(seen.newestEpoch(SOURCE)).to.equal(epochOf(12));
    });

    it('with too many closed, a new one is refused until the oldest is old enough to be forgotten', async () => {
      const seen = await make({ maxEpochs: 2, maxClosed: 3 });
      for (let n = 1; n <= 5; n += 1) {
        expect(isRoom(seen, n, 1), String(n)).to.equal(true);
        await begin(seen, n);
      }
      expect(isRoom(seen, 6, 1)).to.equal(false);
      expect(isRoom(seen, 5, 4)).to.equal(true);
      await clock.advance(CLOSED_DAYS * 86_400_000 - 1);
      expect(isRoom(seen, 6, 1)).to.equal(false);
      await clock.advance(1);
      expect(isRoom(seen, 6, 1)).to.equal(true);
      await begin(seen, 6);
      for (const each of [seen, await make({ maxEpochs: 2, maxClosed: 3 })]) {
        expect(isSeen(each, 1, 1)).to.equal(false);
        expect([2, 3, 4, 5, 6].map((n) => isSeen(each, n, 1))).to.deep.equal([true, true, true, true, true]);
      }
    });
  });

  it('a message costs the same however many epochs its source has had', async () => {
    const seen = await make();
    for (let n = 1; n <= 1032; n += 1) {
      await commitChanges(store, [seen.stage([mark(1, 1, String(n).padStart(16, '0'))])]);
    }
    for (const each of [seen, await make()]) {
      const before = process.cpuUsage();
      for (let n = 0; n < 10_000; n += 1) {
        each.hasRoom(SOURCE, EPOCH, 4, 1);
        each.newestEpoch(SOURCE);
      }
      const { user, system } = process.cpuUsage(before);
      expect(user + system, 'µs').to.be.below(400_000);
    }
  });

  it('tells the epochs of a source in order of appearance, whatever their names, after a restart too', async () => {
    const seen = await make();
    const epochs = ['00000000000000ff', '0000000000000001', '00000000000000aa'];
    for (const epoch of epochs) await commitChanges(store, [seen.stage([mark(1, 1, epoch)])]);
    await commitChanges(store, [seen.stage([mark(2, 2, epochs[0])])]);
    for (const each of [seen, await make()]) {
      expect(each.marks(SOURCE).map(({ epoch }) => epoch)).to.deep.equal(epochs);
      expect(each.newestEpoch(SOURCE)).to.equal(epochs[2]);
      expect(each.newestEpoch('c0000test.p9')).to.equal(undefined);
    }
  });

  it('keeps sources, epochs and lanes apart, and writes only what changed', async () => {
    const seen = await make();
    await commitChanges(store, [seen.stage([mark(1), mark(5, 6, EPOCH, 6), { ...mark(9), source: 'c0000test.p2' }])]);
    expect(seen.has(SOURCE, EPOCH, 6, 1)).to.equal(false);
    expect(seen.has('c0000test.p2', EPOCH, 4, 1)).to.equal(false);
    expect(seen.stage([mark(2), mark(3)]).ops).to.have.length(1);
  });
});
