import { type Lane, readContent, readHeader, readReceipts, type Tombstone } from '@backhaul/envelope';
import { commitChanges, LaneQueue, MemoryStore, SequenceCounter, type SpoolEntry } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Draft, Outbox } from '../src/index.ts';

const SELF = 'c12345678.p1';
const ALL = { maxMessages: 10_000, maxBytes: 1e9 };

const draft = (extra: Partial<Draft> = {}): Draft => ({
  lane: 4 as Lane,
  classification: 'infrastructure-administration',
  class: 'x-t',
  subclass: 's',
  content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x' },
  ...extra,
});
const heartbeat = draft({ supersedeKey: 'heartbeat' });

class Component {
  readonly clock = new FakeClock();
  readonly #random = seededRandom(1);
  readonly store = new MemoryStore();
  spool!: LaneQueue;
  numbering!: SequenceCounter;
  out!: Outbox;

  /** Again after a restart. */
  async start(): Promise<void> {
    await this.store.start();
    const { store, clock } = this;
    this.spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
    this.numbering = new SequenceCounter({ store, random: this.#random, prefix: 'own' });
    await this.spool.load();
    await this.numbering.load();
    this.out = new Outbox({ self: SELF, numbering: this.numbering, spool: this.spool, clock, random: this.#random });
  }

  async put(...drafts: Draft[]): Promise<void> {
    await commitChanges(this.store, this.out.stage(drafts).changes);
  }

  /** All that waits is delivered. */
  async drain(): Promise<SpoolEntry[]> {
    const entries: SpoolEntry[] = [];
    for (let claim = await this.spool.claim(ALL); claim !== undefined; claim = await this.spool.claim(ALL)) {
      entries.push(...claim.entries);
      const accepted = claim.entries.map(() => ({ outcome: 'accepted' as const }));
      await commitChanges(this.store, [this.spool.settle(claim, accepted).change]);
    }
    return entries;
  }
}

const tombstonesIn = (entries: readonly SpoolEntry[]): Tombstone[] =>
  entries.filter(({ subclass }) => subclass === 'receipt').flatMap(({ body }) => readReceipts(readContent(body)));

/** Every number that was given is delivered or told of, once. */
function expectWhole(entries: readonly SpoolEntry[], last: number): void {
  const told = tombstonesIn(entries).flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, n) => from + n),
  );
  const delivered = entries.map(({ sequence }) => sequence);
  const all = [...told, ...delivered].toSorted((a, b) => a - b);
  expect(all).to.deep.equal(Array.from({ length: last }, (_, n) => n + 1));
}

describe('receipts that wait', () => {
  let component: Component;
  beforeEach(async () => {
    component = new Component();
    await component.start();
  });
  afterEach(() => component.store.stop());

  it('a thousand heartbeats while the parent is away are one heartbeat and one receipt with one range', async () => {
    for (let n = 0; n < 1_000; n += 1) await component.put(heartbeat);
    const entries = await component.drain();
    expect(entries).to.have.length(2);
    expect(tombstonesIn(entries)).to.have.length(1);
    expectWhole(entries, component.numbering.last(4));
  });

  it('others in between are kept; everything that was given a number is told of once', async () => {
    for (let n = 0; n < 60; n += 1) await component.put(...(n % 7 === 0 ? [heartbeat, draft()] : [heartbeat]));
    expectWhole(await component.drain(), component.numbering.last(4));
  });

  it('one that is in flight is left alone: it may be delivered yet', async () => {
    const one = { ...ALL, maxMessages: 1 };
    const delivered: SpoolEntry[] = [];
    for (let n = 0; n < 20; n += 1) {
      await component.put(heartbeat);
      await component.put(heartbeat);
      const [older, receipt] = [await component.spool.claim(one), await component.spool.claim(one)];
      if (older !== undefined) component.spool.release(older);
      await component.put(heartbeat); // replaces the heartbeat, while its receipt is on its way
      if (receipt === undefined) continue;
      delivered.push(...receipt.entries);
      await commitChanges(component.store, [component.spool.settle(receipt, [{ outcome: 'accepted' }]).change]);
    }
    expectWhole([...delivered, ...(await component.drain())], component.numbering.last(4));
  });

  it('after a restart nothing is replaced whose content is not known any more', async () => {
    for (let n = 0; n < 30; n += 1) {
      await component.put(heartbeat);
      if (n % 10 === 9) {
        component.store.crash();
        await component.start();
      }
    }
    expectWhole(await component.drain(), component.numbering.last(4));
  });

  it('what was staged and not committed changes nothing', async () => {
    for (let n = 0; n < 10; n += 1) {
      await component.put(heartbeat);
      component.out.stage([heartbeat]);
      await Promise.resolve(); // the numbers are given back
    }
    expectWhole(await component.drain(), component.numbering.last(4));
  });

  it('a failed write changes nothing', async () => {
    for (let n = 0; n < 12; n += 1) {
      if (n % 4 === 3) component.store.failWrites(1);
      await component.put(heartbeat).catch(() => {});
      while (component.store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    }
    expectWhole(await component.drain(), component.numbering.last(4));
  });

  it('do not grow without end: beyond 256 ranges another receipt begins', async () => {
    for (let n = 0; n < 600; n += 1) await component.put(draft({ supersedeKey: `k${n % 2}` }), draft());
    const entries = await component.drain();
    const sizes = entries.filter(({ subclass }) => subclass === 'receipt').map((entry) => tombstonesIn([entry]).length);
    expect(Math.max(...sizes)).to.be.at.most(256);
    expect(sizes.length).to.be.at.most(8);
    expectWhole(entries, component.numbering.last(4));
  });

  it('the key is for this spool alone: nothing further up replaces a receipt', async () => {
    for (let n = 0; n < 3; n += 1) await component.put(heartbeat);
    const [receipt] = (await component.drain()).filter(({ subclass }) => subclass === 'receipt');
    expect(receipt!.supersedeKey).to.match(/^account/);
    expect(readHeader(receipt!.header).qos.supersedeKey).to.equal(undefined);
  });
});
