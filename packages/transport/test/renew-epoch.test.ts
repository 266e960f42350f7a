import { readContent, readReceipts } from '@backhaul/envelope';
import { silentLogger } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, type Removed, SequenceCounter, type SpoolEntry } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Draft, KnownNumbers, Outbox, renewEpochIfRestored } from '../src/index.ts';

const SELF = 'c12345678.m1';
const BELOW = 'c12345678.p1';

const draft = (lane: 4 | 6): Draft => ({
  ...{ lane, classification: 'data-collection', class: 'x-t', subclass: 's' },
  content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x' },
});

describe('the numbers that a component leaves when it begins a new epoch', () => {
  const clock = new FakeClock();
  const random = seededRandom(3);
  const notices: Removed[] = [];

  async function component() {
    const store = new MemoryStore();
    await store.start();
    const spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1 << 24, maxMessages: 20 });
    const numbering = new SequenceCounter({ store, random, prefix: 'own' });
    await spool.load();
    await numbering.load();
    const onRemoved = (removed: readonly Removed[]) => {
      notices.push(...removed);
      return [];
    };
    const outbox = new Outbox({ self: SELF, numbering, spool, clock, random, onRemoved });
    const known = new KnownNumbers({ self: SELF, numbering });
    known.begin();
    const options = { self: SELF, numbering, known, spool, outbox, store, clock, logger: silentLogger };
    const say = (...lanes: (4 | 6)[]) => commitChanges(store, outbox.stageAll(lanes.map(draft)));
    return { store, spool, numbering, say, fenced: () => renewEpochIfRestored(options, [], { fenced: true }) };
  }

  async function held(spool: LaneQueue): Promise<SpoolEntry[]> {
    const entries: SpoolEntry[] = [];
    for (;;) {
      const claim = await spool.claim({ maxMessages: 100, maxBytes: 1 << 20 });
      if (claim === undefined) return entries;
      entries.push(...claim.entries);
    }
  }

  const places = (entries: readonly SpoolEntry[]) =>
    entries.filter((one) => one.subclass !== 'receipt').map((one) => `${one.lane}/${one.sequence}`);
  const told = (entries: readonly SpoolEntry[]) =>
    entries
      .filter((one) => one.subclass === 'receipt')
      .flatMap(({ body }) => readReceipts(readContent(body)))
      .filter(({ rule }) => rule === 'new-epoch');

  it('are told in a receipt of their lane, in the commit that numbers the messages anew', async () => {
    const { spool, numbering, say, store, fenced } = await component();
    const { epoch } = numbering;
    await say(4, 4, 4, 6);
    const before = store.stats().commits;
    expect(await fenced()).to.equal(true);
    expect(store.stats().commits - before, 'the epoch, and one for each lane').to.equal(3);
    const entries = await held(spool);
    expect(places(entries)).to.deep.equal(['4/1', '4/2', '4/3', '6/1']);
    const why = { source: SELF, epoch, reason: 'superseded', rule: 'new-epoch', at: SELF };
    expect(told(entries)).to.deep.equal([
      { ...why, lane: 4, from: 1, to: 3 },
      { ...why, lane: 6, from: 1, to: 1 },
    ]);
    for (const { source, epoch: now } of entries) expect([source, now]).to.deep.equal([SELF, numbering.epoch]);
    expect(notices, 'nobody is told that a message was lost').to.deep.equal([]);
  });

  it('are only the old ones of its own: not what others made, not what has been delivered', async () => {
    const { spool, numbering, say, store, fenced } = await component();
    const { epoch } = numbering;
    await say(4, 4, 4);
    const claim = (await spool.claim({ maxMessages: 2, maxBytes: 1 << 20 }))!;
    const other = { ...claim.entries[0]!, source: BELOW, epoch: 'f'.repeat(16), sequence: 9 };
    await commitChanges(store, [spool.stage([other]), spool.settle(claim, [accepted, accepted]).change]);
    await fenced();
    const entries = await held(spool);
    expect(places(entries).toSorted()).to.deep.equal(['4/1', '4/9']);
    expect(told(entries).map((one) => [one.epoch, one.from, one.to])).to.deep.equal([[epoch, 3, 3]]);
  });

  it('are given up without a look at what others made, which may be sent meanwhile', async () => {
    const { spool, say, store, fenced } = await component();
    await say(4);
    const claim = (await spool.claim({ maxMessages: 1, maxBytes: 1 << 20 }))!;
    const others = Array.from({ length: 10 }, (_, n) => ({ ...claim.entries[0]!, source: BELOW, sequence: n + 1 }));
    await commitChanges(store, [spool.settle(claim, [accepted]).change, spool.stage(others)]);
    await say(4);
    spool.claim = async () => expect.fail('others are looked through');
    await fenced();
    Reflect.deleteProperty(spool, 'claim');
    const [first] = await held(spool);
    expect(first).to.include({ source: BELOW, sequence: 1 });
  });

  it('are told by a full spool too, and again of each epoch that is left', async () => {
    const { spool, numbering, say, fenced } = await component();
    const { epoch: first } = numbering;
    await say(...Array.from({ length: 20 }, () => 4 as const));
    await fenced();
    const { epoch: second } = numbering;
    await fenced();
    const entries = await held(spool);
    expect(places(entries)).to.have.length(20);
    const ranges = told(entries).map((one) => [one.epoch, one.from, one.to]);
    expect(ranges).to.deep.include([first, 1, 20]);
    expect(ranges, 'with the receipt of the first').to.deep.include([second, 1, 21]);
  });
});

const accepted = { outcome: 'accepted' } as const;
