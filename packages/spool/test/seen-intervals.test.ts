import { commitChanges, MemoryStore, SeenIntervals } from '@backhaul/spool';
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

  const make = async (bounds: { maxIntervals?: number; maxEpochs?: number } = {}): Promise<SeenIntervals> => {
    const seen = new SeenIntervals({ store, prefix: 'seen', ...bounds });
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
        let through = 0;
        while (set.has(through + 1)) through += 1;
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
    expect(seen.marks(SOURCE)[0]!.through).to.equal(5);
  });

  it('T-A35: remembers eight epochs of a source, the newest, on disk too', async () => {
    const seen = await make();
    const epochs = Array.from({ length: 10 }, (_, n) => `00000000000000a${n}`);
    for (const epoch of epochs) await commitChanges(store, [seen.stage([mark(1, 1, epoch), mark(1, 1, epoch, 6)])]);
    for (const each of [seen, await make()]) {
      expect([...new Set(each.marks(SOURCE).map(({ epoch }) => epoch))]).to.have.members(epochs.slice(2));
      expect(each.has(SOURCE, epochs[1]!, 4, 1)).to.equal(false);
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
