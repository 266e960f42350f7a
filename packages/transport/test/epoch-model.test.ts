import type { Mark } from '@backhaul/envelope';
import { silentLogger } from '@backhaul/runtime';
import {
  commitChanges,
  LaneQueue,
  MemoryStore,
  type Op,
  SeenIntervals,
  SequenceCounter,
  type Settlement,
  type SpoolEntry,
} from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { EpochWatch, KnownNumbers, Outbox, renewEpochIfRestored } from '../src/index.ts';

const CHILD = 'c12345678.p1';
const LANE = 4;
const clock = new FakeClock();
const random = seededRandom(11);

/** A child as it stands on one disk: what it gives, holds, and sends. */
class Child {
  readonly store: MemoryStore;
  readonly spool: LaneQueue;
  readonly numbering: SequenceCounter;
  readonly known: KnownNumbers;
  readonly outbox: Outbox;
  fenced = false;

  private constructor(store: MemoryStore) {
    this.store = store;
    this.spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1 << 24, maxMessages: 10_000 });
    this.numbering = new SequenceCounter({ store, random, prefix: 'own' });
    this.known = new KnownNumbers({ self: CHILD, numbering: this.numbering });
    this.outbox = new Outbox({ self: CHILD, numbering: this.numbering, spool: this.spool, clock, random });
  }

  /** A process starts over these values, and says hello before it sends anything. */
  static async start(values: readonly Op[], parent: Parent): Promise<Child> {
    const store = new MemoryStore();
    await store.start();
    if (values.length > 0) await store.commit(values);
    const child = new Child(store);
    await child.spool.load();
    await child.numbering.load();
    child.known.begin();
    await child.hello(parent);
    return child;
  }

  async values(): Promise<Op[]> {
    const ops: Op[] = [];
    for await (const [key, value] of this.store.scan(''))
      if (!key.startsWith('!')) ops.push({ type: 'put', key, value });
    return ops;
  }

  async hello(parent: Parent): Promise<void> {
    const { numbering, known, spool, outbox, store, fenced } = this;
    const options = { self: CHILD, numbering, known, spool, outbox, store, clock, logger: silentLogger };
    await renewEpochIfRestored(options, parent.marks(), { fenced });
    this.fenced = false;
  }

  async give(): Promise<void> {
    const about = { classification: 'data-collection', class: 'x-t', subclass: 's' } as const;
    const content = { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x' } as const;
    await commitChanges(this.store, this.outbox.stageAll([{ lane: LANE, ...about, content }]));
  }

  async send(parent: Parent, maxMessages: number, replyLost: boolean): Promise<void> {
    await clock.advance(10_000); // what was put back with a pause may go
    const claim = await this.spool.claim({ maxMessages, maxBytes: 1 << 20 });
    if (claim === undefined) return;
    this.known.sending(claim.entries);
    const settlements: Settlement[] = [];
    for (const entry of claim.entries) settlements.push(await parent.hears(entry));
    if (replyLost) return this.spool.release(claim);
    this.fenced = settlements.some(({ outcome }) => outcome === 'retry');
    await commitChanges(this.store, [this.spool.settle(claim, settlements).change]);
    if (this.fenced) await this.hello(parent);
  }
}

/** What a hop does with the own messages of a direct child: seen before, fenced, or taken. */
class Parent {
  readonly watch = new EpochWatch();
  readonly #store = new MemoryStore();
  readonly #seen = new SeenIntervals({ store: this.#store, prefix: 'seen' });
  readonly #places = new Map<string, string>();
  readonly epochs: string[] = [];
  /** ids that were taken */
  readonly taken = new Set<string>();

  async start(): Promise<void> {
    await this.#store.start();
    await this.#seen.load();
  }

  marks(): Mark[] {
    const marks = this.#seen.marks(CHILD) as Mark[];
    const newest = this.epochs.at(-1);
    return marks.map((mark) => (mark.epoch === newest ? { ...mark, newest: true } : mark));
  }

  async hears({ id, epoch, sequence }: SpoolEntry): Promise<Settlement> {
    const place = `${epoch}/${sequence}`;
    if (this.#seen.has(CHILD, epoch, LANE, sequence)) {
      expect(this.#places.get(place), `${place} is known as another message: this one is lost`).to.equal(id);
      return { outcome: 'accepted' };
    }
    const newest = this.epochs.at(-1);
    const judgement = this.watch.judge(CHILD, epoch, { newest, known: this.epochs.includes(epoch) }, clock.monotonic());
    if (judgement === 'superseded' || judgement === 'clone') return { outcome: 'retry', notBefore: clock.now() };
    if (this.epochs.includes(epoch)) expect(epoch, 'an epoch that was taken over takes effect').to.equal(newest);
    else this.epochs.push(epoch);
    this.#places.set(place, id);
    this.taken.add(id);
    await commitChanges(this.#store, [
      this.#seen.stage([{ source: CHILD, epoch, lane: LANE, from: sequence, to: sequence }]),
    ]);
    return { outcome: 'accepted' };
  }
}

type Step =
  | { readonly do: 'give' }
  | { readonly do: 'send'; readonly messages: number; readonly replyLost: boolean }
  | { readonly do: 'backup' }
  | { readonly do: 'restore' }
  | { readonly do: 'restart' };

const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'give' }) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.boolean())
      .map(([messages, replyLost]): Step => ({ do: 'send', messages, replyLost })),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'backup' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'restore' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'restart' }) },
);

describe('epochs of a child, against a model (M6)', () => {
  it('a copy that is restored never puts another message into a used place, and everything it holds is taken', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { maxLength: 40 }), async (steps) => {
        const parent = new Parent();
        await parent.start();
        let child = await Child.start([], parent);
        let copy = await child.values();
        for (const step of steps) {
          if (step.do === 'give') await child.give();
          else if (step.do === 'send') await child.send(parent, step.messages, step.replyLost);
          else if (step.do === 'backup') copy = await child.values();
          else if (step.do === 'restore') child = await Child.start(copy, parent);
          else child = await Child.start(await child.values(), parent);
        }
        for (let i = 0; i < 60 && child.spool.depth().messages > 0; i++) await child.send(parent, 256, false);
        expect(child.spool.depth().messages).to.equal(0);
        expect(parent.watch.clones(), 'one that is restored again and again is no clone').to.deep.equal([]);
      }),
      { numRuns: 150 },
    );
  });

  it('two that live at the same time are noticed before long', async () => {
    const parent = new Parent();
    await parent.start();
    const first = await Child.start([], parent);
    await first.give();
    await first.send(parent, 1, false);
    const second = await Child.start(await first.values(), parent);
    await second.give();
    await second.give();
    await second.send(parent, 2, false);
    await first.hello(parent);
    for (let turn = 0; turn < 12 && !parent.watch.isClone(CHILD); turn++) {
      const child = turn % 2 === 0 ? first : second;
      await child.give();
      await child.send(parent, 256, false);
    }
    expect(parent.watch.clones()).to.deep.equal([CHILD]);
  });
});
