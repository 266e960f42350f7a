import { commitChanges, LevelMailboxes, type MailboxMessage, MemoryStore } from '@backhaul/spool';
import { codeOf, sampleMessage } from '@backhaul/spool/contract';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { opened } from './support/copy-store.ts';
import { assertModel, command } from './support/model-run.ts';

const OWNERS = ['o.p1', 'o.p2', 'o.p3'];
const QUOTA = 12;
const never = Number.POSITIVE_INFINITY;

/** `expiresAt`: ms since the start, whatever the wall clock says. */
interface Held {
  readonly number: number;
  readonly message: MailboxMessage;
  readonly expiresAt: number;
}
/** Per owner: what is held, the last number given, the highest number handed out. */
interface Box {
  held: Held[];
  last: number;
  sent: number;
}
type Model = Record<string, Box>;

const emptyModel = (): Model => Object.fromEntries(OWNERS.map((name) => [name, { held: [], last: 0, sent: 0 }]));

class Real {
  readonly clock = new FakeClock(1_000_000);
  readonly random = seededRandom(1);
  store = new MemoryStore();
  boxes = this.#newBoxes();
  jumped = 0;

  async open(): Promise<void> {
    await this.store.start();
    await this.boxes.load();
    this.boxes.noteParentTime(this.clock.now());
  }

  /** A new process over a store; its wall clock is right again. */
  async restart(store: MemoryStore): Promise<void> {
    this.clock.jump(-this.jumped);
    this.jumped = 0;
    this.store = store;
    this.boxes = this.#newBoxes();
    await this.open();
    expect(this.store.findings()).to.deep.equal([]);
  }

  #newBoxes(): LevelMailboxes {
    const { store, clock, random } = this;
    return new LevelMailboxes({ store, clock, random, prefix: 'down', quotaBytes: 1e6, quotaMessages: QUOTA });
  }
}

const boxOf = (model: Model, owner: string): Box => model[owner]!;
const isPast = ({ expiresAt }: Held, { clock }: Real): boolean => expiresAt <= clock.monotonic();

async function checkAll(model: Model, real: Real): Promise<void> {
  for (const owner of OWNERS) {
    const { held } = boxOf(model, owner);
    expect(real.boxes.depth(owner).messages, owner).to.equal(held.length);
    const something = held.some((each) => !isPast(each, real));
    expect(await real.boxes.wait(owner, 0, new AbortController().signal), owner).to.equal(something);
  }
  const referenced = new Set(OWNERS.flatMap((owner) => boxOf(model, owner).held.map(({ message }) => message.id)));
  const stored: string[] = [];
  for await (const [key] of real.store.scan('down/b/')) stored.push(key);
  expect(stored).to.have.length(referenced.size); // S5: one copy each, none left over
}

const enqueue = (owners: string[], ttl: number | undefined, fails: boolean) =>
  command<Model, Real>(`Enqueue(${owners}, ${ttl}${fails ? ', disk full' : ''})`, async (model, real) => {
    const message = sampleMessage({
      receivedAt: real.clock.now(),
      ...(ttl === undefined ? {} : { expiresAt: real.clock.now() + ttl }),
    });
    const expiresAt = ttl === undefined ? never : real.clock.monotonic() + ttl;
    if (owners.some((owner) => boxOf(model, owner).held.length >= QUOTA)) {
      expect(await codeOf(() => real.boxes.stagePut(owners, message))).to.equal('BH-E-SPOOL-FULL');
      return checkAll(model, real);
    }
    if (fails) real.store.failWrites(1);
    const code = await codeOf(() => commitChanges(real.store, [real.boxes.stagePut(owners, message)]));
    expect(code).to.equal(fails ? 'BH-E-SPOOL-STOPPED' : undefined);
    await opened(real.store);
    for (const owner of OWNERS) {
      const box = boxOf(model, owner);
      if (fails) box.sent = box.last;
      else if (owners.includes(owner)) box.held.push({ number: (box.last += 1), message, expiresAt });
    }
    await checkAll(model, real);
  });

/** Reads as much as the model says is there, byte for byte, and marks it as handed out. */
async function read(model: Model, real: Real, owner: string, count: number) {
  const box = boxOf(model, owner);
  const expected = box.held.filter((each) => !isPast(each, real)).slice(0, count);
  const page = await real.boxes.read(owner, { maxMessages: count, maxBytes: 1e6 });
  expect(page.messages.map(({ number, id }) => [number, id])).to.deep.equal(
    expected.map(({ number, message }) => [number, message.id]),
  );
  for (const [index, { message, expiresAt }] of expected.entries()) {
    const got = page.messages[index]!;
    expect(Buffer.from(got.body)).to.deep.equal(message.body);
    expect((got.expiresAt ?? never) - real.clock.now()).to.equal(expiresAt - real.clock.monotonic());
  }
  expect(page.through).to.equal(expected.at(-1)?.number ?? (box.held[0]?.number ?? box.last + 1) - 1);
  box.sent = Math.max(box.sent, page.through);
  return page;
}

async function acknowledge(model: Model, real: Real, owner: string, page: { epoch: string; through: number }) {
  await real.boxes.acknowledge(owner, page.epoch, page.through);
  const box = boxOf(model, owner);
  box.held = box.held.filter((each) => each.number > page.through || isPast(each, real));
}

/** Reads, and then acknowledges what it got, unless the reply is lost. */
const poll = (owner: string, count: number, replyLost: boolean) =>
  command<Model, Real>(`Poll(${owner}, ${count}${replyLost ? ', reply lost' : ''})`, async (model, real) => {
    const page = await read(model, real, owner, count);
    if (!replyLost && page.messages.length > 0) await acknowledge(model, real, owner, page);
    await checkAll(model, real);
  });

/** Two processes with one identity: each gets what the other has not acknowledged, and the slower one's word is honoured too. */
const twoPollers = (owner: string, few: number, many: number) =>
  command<Model, Real>(`TwoPollers(${owner}, ${few}, ${few + many})`, async (model, real) => {
    const slow = await read(model, real, owner, few);
    const fast = await read(model, real, owner, few + many);
    if (fast.messages.length > 0) await acknowledge(model, real, owner, fast);
    if (slow.messages.length > 0) await acknowledge(model, real, owner, slow);
    await checkAll(model, real);
  });

/** What was acknowledged before is acknowledged again: a lost reply makes that. */
const ackAgain = (owner: string) =>
  command<Model, Real>(`AckAgain(${owner})`, async (model, real) => {
    const { held, last, sent } = boxOf(model, owner);
    const done = Math.min(sent, (held[0]?.number ?? last + 1) - 1);
    if (done > 0) await real.boxes.acknowledge(owner, real.boxes.epoch, done);
    await checkAll(model, real);
  });

const ackWrong = (owner: string, beyond: number) =>
  command<Model, Real>(`AckWrong(${owner}, +${beyond})`, async (model, real) => {
    const number = boxOf(model, owner).sent + beyond;
    const { epoch } = real.boxes;
    expect(await codeOf(() => real.boxes.acknowledge(owner, epoch, number))).to.equal('BH-E-ACK');
    expect(await codeOf(() => real.boxes.acknowledge(owner, 'abcdabcdabcdabcd', 1))).to.equal('BH-E-ACK');
    expect(await codeOf(() => real.boxes.acknowledge('o.stranger', epoch, 1))).to.equal('BH-E-ACK');
    await real.boxes.acknowledge(owner, '0', 0);
    await checkAll(model, real);
  });

const expire = (ms: number) =>
  command<Model, Real>(`Expire(${ms})`, async (model, real) => {
    await real.clock.advance(ms);
    const { change, removed } = real.boxes.expire(real.clock.now());
    const past = OWNERS.flatMap((owner) =>
      boxOf(model, owner)
        .held.filter((each) => isPast(each, real))
        .map(({ message }) => `${owner} ${message.id}`),
    );
    expect(removed.map(({ owner, id }) => `${owner} ${id}`)).to.have.members(past);
    await commitChanges(real.store, [change]);
    for (const box of Object.values(model)) box.held = box.held.filter((each) => !isPast(each, real));
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

const revoke = (which: number) =>
  command<Model, Real>(`Revoke(${which})`, async (model, real) => {
    const ids = OWNERS.flatMap((owner) => boxOf(model, owner).held.map(({ message }) => message.id));
    const id = ids.length === 0 ? 'unknown' : ids[which % ids.length]!;
    await commitChanges(real.store, [real.boxes.stageRevoke(id)]);
    for (const box of Object.values(model)) box.held = box.held.filter(({ message }) => message.id !== id);
    await checkAll(model, real);
  });

const clear = (owner: string) =>
  command<Model, Real>(`Clear(${owner})`, async (model, real) => {
    const box = boxOf(model, owner);
    const { change, removed } = real.boxes.stageClear(owner);
    expect(removed.map(({ id }) => id)).to.deep.equal(box.held.map(({ message }) => message.id));
    await commitChanges(real.store, [change]);
    box.held = [];
    await checkAll(model, real);
  });

const crash = command<Model, Real>('Crash', async (model, real) => {
  const { epoch } = real.boxes;
  const isStored = OWNERS.some((owner) => boxOf(model, owner).last > 0);
  real.store.crash();
  await real.restart(real.store);
  if (isStored) expect(real.boxes.epoch).to.equal(epoch);
  for (const box of Object.values(model)) box.sent = box.last;
  await checkAll(model, real);
});

/** The mailboxes are lost and begin anew: what was acknowledged of the old ones is refused, and moves nothing. */
const reset = command<Model, Real>('Reset', async (model, real) => {
  const before = OWNERS.map((owner) => ({ owner, epoch: real.boxes.epoch, sent: boxOf(model, owner).sent }));
  await real.restart(new MemoryStore());
  Object.assign(model, emptyModel());
  for (const { owner, epoch, sent } of before)
    expect(await codeOf(() => real.boxes.acknowledge(owner, epoch, Math.max(1, sent)))).to.equal('BH-E-ACK');
  await checkAll(model, real);
});

const owner = fc.constantFrom(...OWNERS);
const YEAR_MS = 365 * 86_400_000;
const commands = [
  fc
    .tuple(
      fc.subarray(OWNERS, { minLength: 1 }),
      fc.constantFrom(undefined, undefined, 30, 60),
      fc.integer({ min: 0, max: 9 }),
    )
    .map(([owners, ttl, n]) => enqueue(owners, ttl, n === 0)),
  fc.tuple(owner, fc.integer({ min: 1, max: 5 }), fc.boolean()).map(([name, count, lost]) => poll(name, count, lost)),
  fc
    .tuple(owner, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 3 }))
    .map(([name, few, many]) => twoPollers(name, few, many)),
  owner.map(ackAgain),
  fc.tuple(owner, fc.integer({ min: 1, max: 3 })).map(([name, beyond]) => ackWrong(name, beyond)),
  fc.integer({ min: 1, max: 50 }).map(expire),
  fc.nat(20).map(revoke),
  owner.map(clear),
  fc.integer({ min: 1, max: 40 }).map(timePasses),
  fc.constantFrom(YEAR_MS, -YEAR_MS, 3_600_000, -3_600_000).map(wallJumps),
  fc.constant(crash),
  fc.constant(reset),
];

describe('LevelMailboxes against their model (M2)', function () {
  this.timeout(600_000);

  it('B1, S5: handed out until acknowledged and never after, in order, whatever happens in between', async () => {
    await assertModel(commands, async () => {
      const real = new Real();
      await real.open();
      return { model: emptyModel(), real };
    });
  });
});
