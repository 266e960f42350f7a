import {
  type Claim,
  commitChanges,
  LaneQueue,
  MemoryStore,
  type Op,
  type Settlement,
  type SpoolEntry,
} from '@backhaul/spool';
import { codeOf, sampleEntry } from '@backhaul/spool/contract';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { AGEING_CLAIMS } from '../src/drain-order.ts';
import { copyOf, opened, storeOf } from './support/copy-store.ts';
import { assertModel, command } from './support/model-run.ts';

const LIMIT = 24;
const QUOTA = 10;
const ALL = { maxMessages: LIMIT * 2, maxBytes: 1_000_000 };
const SOURCE = 'c0000test.p1';
const never = Number.POSITIVE_INFINITY;
/** Four steps of precedence lie between normal and bulk; five lanes may take turns. */
const LONGEST_PASSED_OVER = AGEING_CLAIMS * 4 + 5;

/** `dueAt`, `expiresAt`: ms since the start, whatever the wall clock says. */
interface Held {
  readonly entry: SpoolEntry;
  readonly expiresAt: number;
  dueAt: number;
  inFlight: boolean;
}

/** What must be so, in the simplest words: every accepted entry, in order of arrival, and what became of the others. */
interface Model {
  held: Held[];
  accepted: Set<string>;
  delivered: Set<string>;
  receipts: Set<string>;
  /** claims that passed a lane over which had something due */
  passedOver: Map<number, number>;
  backup: { model: Held[]; ops: Op[] } | undefined;
}

class Real {
  readonly clock = new FakeClock(1_000_000);
  store = new MemoryStore();
  spool = this.#newSpool();
  claims: Claim[] = [];
  jumped = 0;

  async open(): Promise<void> {
    await this.store.start();
    await this.spool.load();
    this.spool.noteParentTime(this.clock.now());
  }

  /** A new process over a store; its wall clock is right again. */
  async restart(store: MemoryStore): Promise<void> {
    this.clock.jump(-this.jumped);
    this.jumped = 0;
    this.store = store;
    this.spool = this.#newSpool();
    this.claims = [];
    await this.open();
    expect(this.store.findings()).to.deep.equal([]); // S7: no false alarm
  }

  #newSpool(): LaneQueue {
    const perChild = { maxBytes: 1e9, maxMessages: QUOTA };
    const limits = { maxBytes: 1e9, maxMessages: LIMIT, perChild };
    return new LaneQueue({ store: this.store, clock: this.clock, prefix: 'up', ...limits });
  }
}

/** least first: who has to go before whom */
const rank = ({ entry: { lane, persistent }, expiresAt }: Held): [number, number, number] => [
  -lane,
  expiresAt,
  Number(persistent),
];
const byRank = (a: Held, b: Held): number => {
  const [x, y] = [rank(a), rank(b)];
  const at = [0, 1, 2].find((n) => x[n] !== y[n]);
  return at === undefined ? 0 : x[at]! - y[at]!;
};
const ranks = (list: readonly Held[]): string[] => list.map((held) => JSON.stringify(rank(held))).toSorted();
const keyOf = ({ entry: { lane, supersedeKey } }: Held): string | undefined =>
  supersedeKey === undefined ? undefined : `${lane} ${supersedeKey}`;

const isDue = (now: number) => (held: Held) => !held.inFlight && held.dueAt <= now && held.expiresAt > now;
const dueNow = (model: Model, { clock }: Real): Held[] => model.held.filter(isDue(clock.monotonic()));

const remove = (model: Model, ids: readonly string[], to: Set<string>): void => {
  model.held = model.held.filter(({ entry }) => !ids.includes(entry.id));
  for (const id of ids) to.add(id);
};

/** What memory knew of what was in flight or waiting is gone. */
const forgetFlights = (model: Model): void => {
  for (const held of model.held) Object.assign(held, { inFlight: false, dueAt: 0 }); // S4
  model.passedOver.clear();
};

async function checkAll(model: Model, real: Real): Promise<void> {
  const depth = real.spool.depth();
  const ids = model.held.map(({ entry }) => entry.sequence);
  expect(depth.messages).to.equal(model.held.length);
  expect(depth.bytes).to.equal(model.held.reduce((sum, { entry }) => sum + entry.header.length + entry.body.length, 0));
  expect(depth.inFlight).to.equal(model.held.filter(({ inFlight }) => inFlight).length);
  expect(model.accepted.size).to.equal(model.held.length + model.delivered.size + model.receipts.size); // I1
  const told = real.spool
    .holdings(1_000)
    .ranges.flatMap(({ from, to }) => [...ids.filter((n) => n >= from && n <= to)]);
  expect(told.toSorted()).to.deep.equal(ids.toSorted());
  for (const via of CHILDREN) {
    if (via === undefined) continue;
    const messages = model.held.filter(({ entry }) => entry.via === via).length;
    expect(real.spool.usage(via).messages).to.equal(messages);
    expect(messages).to.be.at.most(QUOTA);
  }
  if (dueNow(model, real).length > 0) await real.spool.ready(new AbortController().signal);
}

interface Shape {
  lane: number;
  ttl: number | undefined;
  persistent: boolean;
  via: string | undefined;
  key: string | undefined;
}

const CHILDREN = [undefined, 'c0000test.p8', 'c0000test.p9'];

/** Who would have to go for `newcomers`, or undefined when they themselves rank least. */
function victimsOf(held: readonly Held[], newcomers: readonly Held[], room: number, leaving: readonly Held[]) {
  const over = held.length + newcomers.length - leaving.length - room;
  if (over <= 0) return [];
  const least = newcomers.toSorted(byRank)[0]!;
  const free = held.filter((each) => !each.inFlight && each.entry.lane > 0 && byRank(each, least) < 0);
  const victims = free
    .filter((each) => !leaving.includes(each))
    .toSorted(byRank)
    .slice(0, over);
  return victims.length < over ? undefined : victims;
}

function leavingFor(model: Model, kept: readonly Held[]): { code: string } | { superseded: Held[]; evicted: Held[] } {
  const keys = new Set(kept.map(keyOf));
  const superseded = model.held.filter((held) => keyOf(held) !== undefined && keys.has(keyOf(held)) && !held.inFlight);
  const evicted: Held[] = [];
  const ofChild = (via: string) => (held: Held) => held.entry.via === via;
  for (const via of new Set(kept.map(({ entry }) => entry.via))) {
    if (via === undefined) continue;
    const mine = ofChild(via);
    const leaving = [...superseded, ...evicted].filter(mine);
    const victims = victimsOf(model.held.filter(mine), kept.filter(mine), QUOTA, leaving);
    if (victims === undefined) return { code: 'BH-E-QUOTA' };
    evicted.push(...victims);
  }
  const victims = victimsOf(model.held, kept, LIMIT, [...superseded, ...evicted]);
  return victims === undefined ? { code: 'BH-E-SPOOL-FULL' } : { superseded, evicted: [...evicted, ...victims] };
}

/** Put one or many; `fails`: the disk is full in the middle of it. */
const put = (shapes: Shape[], fails: boolean) =>
  command<Model, Real>(`Put(${JSON.stringify(shapes)}${fails ? ', disk full' : ''})`, async (model, real) => {
    const [wall, now] = [real.clock.now(), real.clock.monotonic()];
    const made = shapes.map(({ lane, ttl, persistent, via, key }): Held => {
      const expiry = ttl === undefined ? {} : { expiresAt: wall + ttl };
      const optional = { ...(via === undefined ? {} : { via }), ...(key === undefined ? {} : { supersedeKey: key }) };
      const entry = sampleEntry({ source: SOURCE, lane, persistent, receivedAt: wall, ...expiry, ...optional });
      return { entry, expiresAt: ttl === undefined ? never : now + ttl, dueAt: 0, inFlight: false };
    });
    const entries = made.map(({ entry }) => entry);
    if (!real.store.accepting) {
      expect(await codeOf(() => real.spool.stage(entries))).to.equal('BH-E-SPOOL-FULL');
      return checkAll(model, real);
    }
    const kept = made.filter(
      (held) => keyOf(held) === undefined || made.findLast((other) => keyOf(other) === keyOf(held)) === held,
    );
    const leaving = leavingFor(model, kept);
    if ('code' in leaving) {
      expect(await codeOf(() => real.spool.stage(entries))).to.equal(leaving.code); // S6
      return checkAll(model, real);
    }
    const change = real.spool.stage(entries);
    const removed = (reason: string): string[] =>
      change.removed.filter((one) => one.reason === reason).map(({ entry }) => entry.id);
    const replaced = made.filter((held) => !kept.includes(held));
    expect(removed('superseded')).to.have.members([...replaced, ...leaving.superseded].map(({ entry }) => entry.id));
    const evicted = model.held.filter(({ entry }) => removed('evicted').includes(entry.id));
    expect(ranks(evicted)).to.deep.equal(ranks(leaving.evicted));
    if (fails) return rejected(model, real, () => commitChanges(real.store, [change]));
    await commitChanges(real.store, [change]);
    model.held.push(...replaced, ...kept); // whichever children they came through
    for (const { id } of entries) model.accepted.add(id);
    remove(model, [...removed('superseded'), ...removed('evicted')], model.receipts);
    await checkAll(model, real);
  });

/** Nothing is accepted between the failure and the reopening, and everything is as it was. */
async function rejected(model: Model, real: Real, commit: () => Promise<void>): Promise<void> {
  real.store.failWrites(1);
  expect(await codeOf(commit)).to.equal('BH-E-SPOOL-STOPPED');
  if (real.store.state !== 'open') expect(await codeOf(() => real.store.commit([]))).to.equal('BH-E-SPOOL-STOPPED');
  await opened(real.store);
  forgetFlights(model);
  real.claims = [];
  await checkAll(model, real);
}

const take = (count: number) =>
  command<Model, Real>(`Take(${count})`, async (model, real) => {
    const due = dueNow(model, real);
    const lanes = new Set(due.map(({ entry }) => entry.lane));
    const claim = await real.spool.claim({ ...ALL, maxMessages: count });
    expect(claim === undefined).to.equal(lanes.size === 0);
    if (claim === undefined) return;
    if (Math.min(...lanes) < 4) expect(claim.lane).to.equal(Math.min(...lanes)); // S3: urgent strictly first
    for (const lane of [...model.passedOver.keys()]) if (!lanes.has(lane)) model.passedOver.delete(lane);
    for (const lane of claim.lane < 4 ? [] : lanes) {
      const passed = lane === claim.lane ? 0 : (model.passedOver.get(lane) ?? 0) + 1;
      expect(passed, `lane ${lane} starves`).to.be.at.most(LONGEST_PASSED_OVER);
      model.passedOver.set(lane, passed);
    }
    const expected = due.filter(({ entry }) => entry.lane === claim.lane).slice(0, count);
    expect(claim.entries.map(({ id }) => id)).to.deep.equal(expected.map(({ entry }) => entry.id)); // I3
    const [wall, now] = [real.clock.now(), real.clock.monotonic()];
    for (const [index, { entry, expiresAt }] of expected.entries()) {
      const got = claim.entries[index]!;
      expect(Buffer.from(got.body)).to.deep.equal(entry.body); // I4
      expect((got.expiresAt ?? never) - wall).to.equal(expiresAt - now); // time left, whatever the wall clock did
    }
    for (const held of expected) held.inFlight = true;
    real.claims.push(claim);
    await checkAll(model, real);
  });

type Said = 'ok' | 'refused' | 'retry';

/** SendOk, SendReject: what the parent says of a claim. */
const answer = (which: number, said: readonly Said[]) =>
  command<Model, Real>(`Answer(${which}, ${said})`, async (model, real) => {
    if (real.claims.length === 0) return;
    const [claim] = real.claims.splice(which % real.claims.length, 1) as [Claim];
    const verdicts = claim.entries.map((_, index) => said[index % said.length]!);
    const settlements = verdicts.map((verdict): Settlement => {
      if (verdict === 'ok') return { outcome: 'accepted' };
      if (verdict === 'refused') return { outcome: 'refused', code: 'BH-E-SCHEMA' };
      return { outcome: 'retry', notBefore: real.clock.now() + 50 };
    });
    const { change, removed } = real.spool.settle(claim, settlements);
    await commitChanges(real.store, [change]);
    const ids = (wanted: Said): string[] => claim.entries.filter((_, n) => verdicts[n] === wanted).map(({ id }) => id);
    expect(removed.map(({ entry }) => entry.id)).to.deep.equal(ids('refused'));
    remove(model, ids('ok'), model.delivered);
    remove(model, ids('refused'), model.receipts);
    const dueAt = real.clock.monotonic() + 50;
    for (const held of model.held)
      if (ids('retry').includes(held.entry.id)) Object.assign(held, { inFlight: false, dueAt });
    await checkAll(model, real);
  });

/** The store is opened again while answers are on their way: they settle nothing, and what they spoke of is sent again. */
const reopenedMeanwhile = (said: 'ok' | 'refused' | 'lost') =>
  command<Model, Real>(`ReopenedMeanwhile(${said})`, async (model, real) => {
    const late = [...real.claims];
    await rejected(model, real, () => real.store.commit([{ type: 'put', key: 'other', value: Buffer.alloc(1) }]));
    for (const claim of late) {
      if (said === 'lost') real.spool.release(claim);
      else await answerLate(real, claim, said);
    }
    await checkAll(model, real);
  });

async function answerLate({ spool, store }: Real, claim: Claim, said: 'ok' | 'refused'): Promise<void> {
  const settlement: Settlement = said === 'ok' ? { outcome: 'accepted' } : { outcome: 'refused', code: 'BH-E-SCHEMA' };
  const { change, removed } = spool.settle(
    claim,
    claim.entries.map(() => settlement),
  );
  expect(removed).to.deep.equal([]);
  await commitChanges(store, [change]);
}

const replyLost = command<Model, Real>('ReplyLost', async (model, real) => {
  const claim = real.claims.shift();
  if (claim === undefined) return;
  real.spool.release(claim);
  const ids = claim.entries.map(({ id }) => id);
  for (const held of model.held) if (ids.includes(held.entry.id)) held.inFlight = false;
  await checkAll(model, real);
});

const expire = (ms: number) =>
  command<Model, Real>(`Expire(${ms})`, async (model, real) => {
    await real.clock.advance(ms);
    const { change, removed } = real.spool.expire(real.clock.now());
    const past = model.held.filter(({ expiresAt, inFlight }) => !inFlight && expiresAt <= real.clock.monotonic());
    const ids = removed.map(({ entry }) => entry.id);
    expect(ids).to.have.members(past.map(({ entry }) => entry.id));
    await commitChanges(real.store, [change]);
    remove(model, ids, model.receipts);
    await checkAll(model, real);
  });

const timePasses = (ms: number) =>
  command<Model, Real>(`TimePasses(${ms})`, async (model, real) => {
    await real.clock.advance(ms);
    await checkAll(model, real);
  });

/** Somebody sets the wall clock: nothing expires, or lives, by that. */
const wallJumps = (ms: number) =>
  command<Model, Real>(`WallJumps(${ms})`, async (model, real) => {
    real.clock.jump(ms);
    real.jumped += ms;
    await checkAll(model, real);
  });

const spaceIsShort = (short: boolean) =>
  command<Model, Real>(short ? 'DiskFull' : 'Free', async (model, real) => {
    real.store.accepting = !short;
    await checkAll(model, real);
  });

const crash = command<Model, Real>('Crash', async (model, real) => {
  real.store.crash();
  await real.restart(real.store);
  forgetFlights(model);
  await checkAll(model, real);
});

const reopen = command<Model, Real>('Reopen', async (model, real) => {
  await real.store.stop();
  await real.restart(real.store);
  forgetFlights(model);
  await checkAll(model, real);
});

const backUp = command<Model, Real>('BackUp', async (model, real) => {
  model.backup = { model: model.held.map((held) => ({ ...held })), ops: await copyOf(real.store) };
});

/** The store is as it was: what left since is there again, what came since is not. */
const restoreOld = command<Model, Real>('RestoreOld', async (model, real) => {
  if (model.backup === undefined) return;
  await real.restart(await storeOf(model.backup.ops));
  model.held = model.backup.model.map((held) => ({ ...held }));
  model.accepted = new Set(model.held.map(({ entry }) => entry.id));
  model.delivered.clear();
  model.receipts.clear();
  forgetFlights(model);
  await checkAll(model, real);
});

const shape: fc.Arbitrary<Shape> = fc.record({
  lane: fc.constantFrom(0, 2, 4, 4, 6, 6, 8),
  ttl: fc.constantFrom(undefined, undefined, 30, 60, 90),
  persistent: fc.boolean(),
  via: fc.constantFrom(...CHILDREN),
  key: fc.constantFrom(undefined, undefined, undefined, 'a', 'b'),
});
const said = fc.constantFrom<Said>('ok', 'ok', 'ok', 'refused', 'retry');
const YEAR_MS = 365 * 86_400_000;

const commands = [
  fc
    .tuple(fc.array(shape, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 9 }))
    .map(([shapes, n]) => put(shapes, n === 0)),
  fc.array(shape, { minLength: 1, maxLength: 1 }).map((shapes) => put(shapes, false)),
  fc.integer({ min: 1, max: 12 }).map(take),
  fc
    .tuple(fc.nat(5), fc.array(said, { minLength: 1, maxLength: 4 }))
    .map(([which, verdicts]) => answer(which, verdicts)),
  fc.constant(replyLost),
  fc.constantFrom('ok' as const, 'refused' as const, 'lost' as const).map(reopenedMeanwhile),
  fc.integer({ min: 1, max: 60 }).map(expire),
  fc.integer({ min: 1, max: 40 }).map(timePasses),
  fc.constantFrom(YEAR_MS, -YEAR_MS, 3_600_000, -3_600_000).map(wallJumps),
  fc.boolean().map(spaceIsShort),
  fc.constant(crash),
  fc.constant(reopen),
  fc.constant(backUp),
  fc.constant(restoreOld),
];

describe('LaneQueue against its model (M1)', function () {
  this.timeout(600_000);

  it('I1, I3, I4, S2–S7 hold after any sequence of puts, answers, lost replies, expiries, full disks, clock jumps, crashes and restores', async () => {
    await assertModel(commands, async () => {
      const real = new Real();
      await real.open();
      const empty = {
        held: [],
        accepted: new Set<string>(),
        delivered: new Set<string>(),
        receipts: new Set<string>(),
      };
      return { model: { ...empty, passedOver: new Map(), backup: undefined } as Model, real };
    });
  });
});
