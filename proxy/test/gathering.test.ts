import { jsonElement } from '@backhaul/envelope';
import { BackhaulError, systemRandom } from '@backhaul/runtime';
import { LaneQueue, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { type Draft, Outbox, type Placed } from '@backhaul/transport';
import { expect } from 'chai';
import { Gathering, type Places } from '../src/accept/gathering.ts';

const draft = (data: string, lane: Draft['lane'] = 4): Draft => ({
  ...{ lane, classification: 'data-collection', class: 'x-test', subclass: 's' },
  content: { type: 'data', ...jsonElement(data) },
});

describe('requests that are gathered', () => {
  let store: MemoryStore;
  let spool: LaneQueue;
  let gathering: Gathering;
  /** ends of the commits that are being written */
  let writing: (() => void)[];

  /** A store whose commits wait to be told to go on, with room for so many messages. */
  async function begin(maxMessages = 10_000): Promise<void> {
    writing = [];
    const clock = new FakeClock();
    store = new MemoryStore();
    await store.start();
    spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1e9, maxMessages });
    const numbering = new SequenceCounter({ store, random: systemRandom, prefix: 'numbers' });
    await spool.load();
    await numbering.load();
    gathering = new Gathering({
      outbox: new Outbox({ self: 'c0000test.p1', numbering, spool, clock, random: systemRandom }),
      store,
    });
    const write = store.commit.bind(store);
    store.commit = async (ops) => {
      await new Promise<void>((resolve) => writing.push(resolve));
      await write(ops);
    };
  }

  afterEach(() => store.stop());

  const proceed = (): void => {
    for (const end of writing.splice(0)) end();
  };
  const sequencesOf = (places: Places) => places.map((place) => (place as Placed).sequence);
  const records = async (): Promise<number> => (await spool.load()).records;
  const drafts = (count: number) => Array.from({ length: count }, (_, n) => draft(`${n}`));

  it('numbers what comes while a commit is written together, in one record, in the order in which it came', async () => {
    await begin();
    const first = gathering.commit([draft('a')]);
    await until('it is being written', () => writing.length > 0);
    const others = [gathering.commit(drafts(2)), gathering.commit(drafts(1)), gathering.commit(drafts(3))];
    proceed();
    expect(sequencesOf(await first)).to.deep.equal([1]);
    await until('the others are being written', () => store.stats().commits === 1);
    proceed();
    const places = await Promise.all(others);
    expect(places.map(sequencesOf)).to.deep.equal([[2, 3], [4], [5, 6, 7]]);
    expect(await records()).to.equal(2);
  });

  it('refuses for want of room only the requests that have none', async () => {
    await begin(10);
    const answers = [gathering.commit(drafts(8)), gathering.commit(drafts(5)), gathering.commit(drafts(1))];
    const settled = Promise.allSettled(answers);
    await until('something is being written', () => writing.length > 0);
    for (let n = 0; n < 3; n += 1) {
      proceed();
      await new Promise(setImmediate);
    }
    const outcomes = await settled;
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect((outcomes[1] as PromiseRejectedResult).reason).to.include({ code: 'BH-E-SPOOL-FULL' });
    expect(spool.depth().messages).to.equal(9);
  });

  it('tells all whose commit failed, and takes what comes after it', async () => {
    await begin();
    const write = store.commit;
    store.commit = async () => {
      throw new BackhaulError('BH-E-SPOOL-STOPPED');
    };
    const outcomes = await Promise.allSettled([gathering.commit(drafts(1)), gathering.commit(drafts(2))]);
    for (const outcome of outcomes)
      expect((outcome as PromiseRejectedResult).reason).to.include({ code: 'BH-E-SPOOL-STOPPED' });
    store.commit = write;
    const after = gathering.commit(drafts(1));
    await until('it is being written', () => writing.length > 0);
    proceed();
    expect(await after).to.have.length(1);
  });
});
