import { type Claim, commitChanges, LaneQueue, MemoryStore, type Settlement, type SpoolEntry } from '@backhaul/spool';
import { codeOf, sampleEntry } from '@backhaul/spool/contract';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';

const LIMIT = 24;
const START = 1_000;
const ALL = { maxMessages: LIMIT * 2, maxBytes: 1_000_000 };

/** What must be so, in the simplest words: every accepted entry, in order of arrival, and what became of the others. */
interface Model {
  held: { entry: SpoolEntry; notBefore: number; inFlight: boolean }[];
  accepted: Set<string>;
  delivered: Set<string>;
  receipts: Set<string>;
}

class Real {
  readonly clock = new FakeClock(START);
  readonly store = new MemoryStore();
  spool = this.#newSpool();
  claims: Claim[] = [];

  async open(): Promise<void> {
    await this.store.start();
    await this.spool.load();
  }

  async crash(): Promise<void> {
    this.store.crash();
    this.spool = this.#newSpool();
    this.claims = [];
    await this.open();
  }

  #newSpool(): LaneQueue {
    return new LaneQueue({ store: this.store, clock: this.clock, prefix: 'up', maxBytes: 1e9, maxMessages: LIMIT });
  }
}

type Command = fc.AsyncCommand<Model, Real>;
const never = Number.POSITIVE_INFINITY;

/** least first: who has to go before whom */
const rank = ({ lane, expiresAt, persistent }: SpoolEntry): [number, number, number] => [
  -lane,
  expiresAt ?? never,
  Number(persistent),
];
const byRank = (a: SpoolEntry, b: SpoolEntry): number => {
  const [x, y] = [rank(a), rank(b)];
  const at = [0, 1, 2].find((n) => x[n] !== y[n]);
  return at === undefined ? 0 : x[at]! - y[at]!;
};

const isDue = (now: number) => (held: Model['held'][number]) =>
  !held.inFlight && held.notBefore <= now && (held.entry.expiresAt ?? never) > now;

const remove = (model: Model, ids: readonly string[], to: Set<string>): void => {
  model.held = model.held.filter(({ entry }) => !ids.includes(entry.id));
  for (const id of ids) to.add(id);
};

async function checkAll(model: Model, real: Real): Promise<void> {
  const depth = real.spool.depth();
  expect(depth.messages).to.equal(model.held.length);
  expect(depth.bytes).to.equal(model.held.reduce((sum, { entry }) => sum + entry.header.length + entry.body.length, 0));
  expect(depth.inFlight).to.equal(model.held.filter(({ inFlight }) => inFlight).length);
  expect(model.accepted.size).to.equal(model.held.length + model.delivered.size + model.receipts.size); // I1
  if (model.held.some(isDue(real.clock.now()))) await real.spool.ready(new AbortController().signal);
}

interface Shape {
  lane: number;
  ttl: number | undefined;
  persistent: boolean;
}

class Put implements Command {
  readonly shapes: Shape[];
  readonly diskFull: boolean;
  constructor(shapes: Shape[], diskFull: boolean) {
    this.shapes = shapes;
    this.diskFull = diskFull;
  }
  check = (): boolean => true;

  async run(model: Model, real: Real): Promise<void> {
    const now = real.clock.now();
    const entries = this.shapes.map(({ lane, ttl, persistent }) =>
      sampleEntry({ lane, persistent, receivedAt: now, ...(ttl === undefined ? {} : { expiresAt: now + ttl }) }),
    );
    const victims = this.#victims(model, entries);
    if (victims === undefined) {
      expect(await codeOf(() => real.spool.stage(entries))).to.equal('BH-E-SPOOL-FULL'); // S6
      return checkAll(model, real);
    }
    const change = real.spool.stage(entries);
    expect(change.removed.map(({ entry }) => rank(entry as SpoolEntry).slice(0, 1))).to.deep.equal(
      victims.map((entry) => rank(entry).slice(0, 1)),
    );
    const removed = change.removed.map(({ entry: { id } }) => model.held.find(({ entry }) => entry.id === id)!.entry);
    expect(removed.map(rank)).to.deep.equal(victims.map(rank));
    if (this.diskFull) return this.#rejected(model, real, () => commitChanges(real.store, [change]));
    await commitChanges(real.store, [change]);
    remove(
      model,
      removed.map(({ id }) => id),
      model.receipts,
    );
    model.held.push(...entries.map((entry) => ({ entry, notBefore: 0, inFlight: false })));
    for (const { id } of entries) model.accepted.add(id);
    await checkAll(model, real);
  }

  /** Nothing is accepted between the failure and the reopening, and everything is as it was. */
  async #rejected(model: Model, real: Real, commit: () => Promise<void>): Promise<void> {
    real.store.failWrites(1);
    expect(await codeOf(commit)).to.equal('BH-E-SPOOL-STOPPED');
    while (real.store.state !== 'open') {
      expect(await codeOf(() => real.store.commit([]))).to.equal('BH-E-SPOOL-STOPPED');
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const held of model.held) Object.assign(held, { inFlight: false, notBefore: 0 });
    real.claims = [];
    await checkAll(model, real);
  }

  #victims(model: Model, entries: readonly SpoolEntry[]): SpoolEntry[] | undefined {
    const over = model.held.length + entries.length - LIMIT;
    if (over <= 0) return [];
    const newcomer = entries.toSorted(byRank)[0]!;
    const free = model.held.filter(({ inFlight, entry }) => !inFlight && entry.lane > 0 && byRank(entry, newcomer) < 0);
    const victims = free
      .map(({ entry }) => entry)
      .toSorted(byRank)
      .slice(0, over);
    return victims.length < over ? undefined : victims;
  }

  toString = (): string => `Put(${JSON.stringify(this.shapes)}${this.diskFull ? ', disk full' : ''})`;
}

class TakeSome implements Command {
  readonly count: number;
  constructor(count: number) {
    this.count = count;
  }
  check = (): boolean => true;

  async run(model: Model, real: Real): Promise<void> {
    const due = model.held.filter(isDue(real.clock.now()));
    const lane = Math.min(...due.map(({ entry }) => entry.lane)); // S3
    const expected = due.filter(({ entry }) => entry.lane === lane).slice(0, this.count);
    const claim = await real.spool.claim({ ...ALL, maxMessages: this.count });
    expect(claim?.entries.map(({ id }) => id) ?? []).to.deep.equal(expected.map(({ entry }) => entry.id));
    for (const [index, { entry }] of expected.entries())
      expect(Buffer.from(claim!.entries[index]!.body)).to.deep.equal(entry.body); // I4
    for (const held of expected) held.inFlight = true;
    if (claim !== undefined) real.claims.push(claim);
    await checkAll(model, real);
  }

  toString = (): string => `TakeSome(${this.count})`;
}

class Answer implements Command {
  readonly which: number;
  readonly verdicts: readonly ('ok' | 'refused' | 'retry')[];
  constructor(which: number, verdicts: readonly ('ok' | 'refused' | 'retry')[]) {
    this.which = which;
    this.verdicts = verdicts;
  }
  check = (): boolean => true;

  async run(model: Model, real: Real): Promise<void> {
    if (real.claims.length === 0) return;
    const [claim] = real.claims.splice(this.which % real.claims.length, 1) as [Claim];
    const verdicts = claim.entries.map((_, index) => this.verdicts[index % this.verdicts.length]!);
    const notBefore = real.clock.now() + 50;
    const settlements = verdicts.map((verdict): Settlement => {
      if (verdict === 'ok') return { outcome: 'accepted' };
      return verdict === 'refused' ? { outcome: 'refused', code: 'BH-E-SCHEMA' } : { outcome: 'retry', notBefore };
    });
    const { change, removed } = real.spool.settle(claim, settlements);
    await commitChanges(real.store, [change]);
    const ids = (wanted: string): string[] =>
      claim.entries.filter((_, n) => verdicts[n] === wanted).map(({ id }) => id);
    expect(removed.map(({ entry }) => entry.id)).to.deep.equal(ids('refused'));
    remove(model, ids('ok'), model.delivered);
    remove(model, ids('refused'), model.receipts);
    for (const held of model.held)
      if (ids('retry').includes(held.entry.id)) Object.assign(held, { inFlight: false, notBefore });
    await checkAll(model, real);
  }

  toString = (): string => `Answer(${this.which}, ${this.verdicts})`;
}

class ReplyLost implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const claim = real.claims.shift();
    if (claim === undefined) return;
    real.spool.release(claim);
    const ids = claim.entries.map(({ id }) => id);
    for (const held of model.held) if (ids.includes(held.entry.id)) held.inFlight = false;
    await checkAll(model, real);
  }
  toString = (): string => 'ReplyLost';
}

class Expire implements Command {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await real.clock.advance(this.ms);
    const now = real.clock.now();
    const { change, removed } = real.spool.expire(now);
    const expected = model.held
      .filter(({ entry, inFlight }) => !inFlight && (entry.expiresAt ?? never) <= now)
      .map(({ entry }) => entry.id);
    const ids = removed.map(({ entry }) => entry.id);
    expect(ids).to.have.members(expected);
    await commitChanges(real.store, [change]);
    remove(model, ids, model.receipts);
    await checkAll(model, real);
  }
  toString = (): string => `Expire(${this.ms})`;
}

class TimePasses implements Command {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await real.clock.advance(this.ms);
    await checkAll(model, real);
  }
  toString = (): string => `TimePasses(${this.ms})`;
}

class Crash implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await real.crash();
    for (const held of model.held) Object.assign(held, { inFlight: false, notBefore: 0 }); // S4
    expect(real.store.findings()).to.deep.equal([]); // S7: no false alarm
    await checkAll(model, real);
  }
  toString = (): string => 'Crash';
}

const shape = fc.record({
  lane: fc.constantFrom(0, 2, 4, 4, 6, 6, 8),
  ttl: fc.constantFrom(undefined, undefined, 30, 60, 90),
  persistent: fc.boolean(),
});
const verdict = fc.constantFrom('ok' as const, 'ok' as const, 'ok' as const, 'refused' as const, 'retry' as const);

const commands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(fc.array(shape, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 9 }))
    .map(([shapes, n]) => new Put(shapes, n === 0)),
  fc.integer({ min: 1, max: 12 }).map((count) => new TakeSome(count)),
  fc
    .tuple(fc.nat(5), fc.array(verdict, { minLength: 1, maxLength: 4 }))
    .map(([which, verdicts]) => new Answer(which, verdicts)),
  fc.constant(new ReplyLost()),
  fc.integer({ min: 1, max: 60 }).map((ms) => new Expire(ms)),
  fc.integer({ min: 1, max: 40 }).map((ms) => new TimePasses(ms)),
  fc.constant(new Crash()),
];

describe('LaneQueue against its model (M1)', function () {
  this.timeout(60_000);

  it('I1, I3, I4, S2–S7 hold after any sequence of puts, answers, lost replies, expiries, full disks and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), async (sequence) => {
        await fc.asyncModelRun(async () => {
          const real = new Real();
          await real.open();
          return { model: { held: [], accepted: new Set(), delivered: new Set(), receipts: new Set() } as Model, real };
        }, sequence);
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 600) },
    );
  });
});
