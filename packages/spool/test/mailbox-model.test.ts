import { commitChanges, LevelMailboxes, type MailboxMessage, MemoryStore } from '@backhaul/spool';
import { codeOf, sampleMessage } from '@backhaul/spool/contract';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';

const OWNERS = ['o.p1', 'o.p2', 'o.p3'];
const QUOTA = 12;
const never = Number.POSITIVE_INFINITY;

interface Held {
  readonly number: number;
  readonly message: MailboxMessage;
}
/** Per owner: what is held, the last number given, the highest number handed out. */
interface Box {
  held: Held[];
  last: number;
  sent: number;
}
type Model = Record<string, Box>;

class Real {
  readonly clock = new FakeClock(1_000);
  readonly store = new MemoryStore();
  readonly random = seededRandom(1);
  boxes = this.#newBoxes();

  async open(): Promise<void> {
    await this.store.start();
    await this.boxes.load();
  }

  async crash(): Promise<void> {
    this.store.crash();
    this.boxes = this.#newBoxes();
    await this.open();
  }

  #newBoxes(): LevelMailboxes {
    const { store, clock, random } = this;
    return new LevelMailboxes({ store, clock, random, prefix: 'down', quotaBytes: 1e6, quotaMessages: QUOTA });
  }
}

type Command = fc.AsyncCommand<Model, Real>;
const isPast = (message: MailboxMessage, now: number): boolean => (message.expiresAt ?? never) <= now;

async function checkAll(model: Model, real: Real): Promise<void> {
  for (const owner of OWNERS) {
    expect(real.boxes.depth(owner).messages, owner).to.equal(model[owner]!.held.length);
    const something = model[owner]!.held.some(({ message }) => !isPast(message, real.clock.now()));
    expect(await real.boxes.wait(owner, 0, new AbortController().signal), owner).to.equal(something);
  }
  const referenced = new Set(OWNERS.flatMap((owner) => model[owner]!.held.map(({ message }) => message.id)));
  const stored: string[] = [];
  for await (const [key] of real.store.scan('down/b/')) stored.push(key);
  expect(stored).to.have.length(referenced.size); // S5: one copy each, none left over
}

class Enqueue implements Command {
  readonly owners: string[];
  readonly ttl: number | undefined;
  readonly diskFull: boolean;
  constructor(owners: string[], ttl: number | undefined, diskFull: boolean) {
    this.owners = owners;
    this.ttl = ttl;
    this.diskFull = diskFull;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const message = sampleMessage(this.ttl === undefined ? {} : { expiresAt: real.clock.now() + this.ttl });
    if (this.owners.some((owner) => model[owner]!.held.length >= QUOTA)) {
      expect(await codeOf(() => real.boxes.stagePut(this.owners, message))).to.equal('BH-E-SPOOL-FULL');
      return checkAll(model, real);
    }
    if (this.diskFull) real.store.failWrites(1);
    const code = await codeOf(() => commitChanges(real.store, [real.boxes.stagePut(this.owners, message)]));
    expect(code).to.equal(this.diskFull ? 'BH-E-SPOOL-STOPPED' : undefined);
    while (real.store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    for (const owner of OWNERS) {
      const box = model[owner]!;
      if (this.diskFull) box.sent = box.last;
      else if (this.owners.includes(owner)) box.held.push({ number: (box.last += 1), message });
    }
    await checkAll(model, real);
  }
  toString = (): string => `Enqueue(${this.owners}, ${this.ttl}${this.diskFull ? ', disk full' : ''})`;
}

/** Reads, and then acknowledges what it got, unless the reply is lost. */
class Poll implements Command {
  readonly owner: string;
  readonly count: number;
  readonly replyLost: boolean;
  constructor(owner: string, count: number, replyLost: boolean) {
    this.owner = owner;
    this.count = count;
    this.replyLost = replyLost;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const box = model[this.owner]!;
    const now = real.clock.now();
    const expected = box.held.filter(({ message }) => !isPast(message, now)).slice(0, this.count);
    const page = await real.boxes.read(this.owner, { maxMessages: this.count, maxBytes: 1e6 });
    expect(page.messages.map(({ number, id }) => [number, id])).to.deep.equal(
      expected.map(({ number, message }) => [number, message.id]),
    );
    for (const [index, { message }] of expected.entries())
      expect(Buffer.from(page.messages[index]!.body)).to.deep.equal(message.body);
    expect(page.through).to.equal(expected.at(-1)?.number ?? (box.held[0]?.number ?? box.last + 1) - 1);
    box.sent = Math.max(box.sent, page.through);
    if (!this.replyLost && page.messages.length > 0) {
      await real.boxes.acknowledge(this.owner, page.epoch, page.through);
      box.held = box.held.filter(({ number, message }) => number > page.through || isPast(message, now));
    }
    await checkAll(model, real);
  }
  toString = (): string => `Poll(${this.owner}, ${this.count}${this.replyLost ? ', reply lost' : ''})`;
}

class AckWrong implements Command {
  readonly owner: string;
  readonly beyond: number;
  constructor(owner: string, beyond: number) {
    this.owner = owner;
    this.beyond = beyond;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const number = model[this.owner]!.sent + this.beyond;
    expect(await codeOf(() => real.boxes.acknowledge(this.owner, real.boxes.epoch, number))).to.equal('BH-E-ACK');
    expect(await codeOf(() => real.boxes.acknowledge(this.owner, 'abcdabcdabcdabcd', 1))).to.equal('BH-E-ACK');
    await real.boxes.acknowledge(this.owner, '0', 0);
    await checkAll(model, real);
  }
  toString = (): string => `AckWrong(${this.owner}, +${this.beyond})`;
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
    const { change, removed } = real.boxes.expire(now);
    const expected = OWNERS.flatMap((owner) =>
      model[owner]!.held.filter(({ message }) => isPast(message, now)).map(({ message }) => `${owner} ${message.id}`),
    );
    expect(removed.map(({ owner, id }) => `${owner} ${id}`)).to.have.members(expected);
    await commitChanges(real.store, [change]);
    for (const owner of OWNERS) model[owner]!.held = model[owner]!.held.filter(({ message }) => !isPast(message, now));
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

class Revoke implements Command {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const ids = OWNERS.flatMap((owner) => model[owner]!.held.map(({ message }) => message.id));
    const id = ids.length === 0 ? 'unknown' : ids[this.which % ids.length]!;
    await commitChanges(real.store, [real.boxes.stageRevoke(id)]);
    for (const owner of OWNERS) model[owner]!.held = model[owner]!.held.filter(({ message }) => message.id !== id);
    await checkAll(model, real);
  }
  toString = (): string => `Revoke(${this.which})`;
}

class Clear implements Command {
  readonly owner: string;
  constructor(owner: string) {
    this.owner = owner;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { change, removed } = real.boxes.stageClear(this.owner);
    expect(removed.map(({ id }) => id)).to.deep.equal(model[this.owner]!.held.map(({ message }) => message.id));
    await commitChanges(real.store, [change]);
    model[this.owner]!.held = [];
    await checkAll(model, real);
  }
  toString = (): string => `Clear(${this.owner})`;
}

class Crash implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { epoch } = real.boxes;
    const isStored = OWNERS.some((owner) => model[owner]!.last > 0);
    await real.crash();
    if (isStored) expect(real.boxes.epoch).to.equal(epoch);
    for (const owner of OWNERS) model[owner]!.sent = model[owner]!.last;
    expect(real.store.findings()).to.deep.equal([]);
    await checkAll(model, real);
  }
  toString = (): string => 'Crash';
}

const owner = fc.constantFrom(...OWNERS);
const commands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      fc.subarray(OWNERS, { minLength: 1 }),
      fc.constantFrom(undefined, undefined, 30, 60),
      fc.integer({ min: 0, max: 9 }),
    )
    .map(([owners, ttl, n]) => new Enqueue(owners, ttl, n === 0)),
  fc
    .tuple(owner, fc.integer({ min: 1, max: 5 }), fc.boolean())
    .map(([name, count, lost]) => new Poll(name, count, lost)),
  fc.tuple(owner, fc.integer({ min: 1, max: 3 })).map(([name, beyond]) => new AckWrong(name, beyond)),
  fc.integer({ min: 1, max: 50 }).map((ms) => new Expire(ms)),
  fc.nat(20).map((which) => new Revoke(which)),
  owner.map((name) => new Clear(name)),
  fc.integer({ min: 1, max: 40 }).map((ms) => new TimePasses(ms)),
  fc.constant(new Crash()),
];

describe('LevelMailboxes against their model (M2)', function () {
  this.timeout(60_000);

  it('B1, S5: handed out until acknowledged and never after, in order, whatever happens in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), async (sequence) => {
        await fc.asyncModelRun(async () => {
          const real = new Real();
          await real.open();
          const model: Model = Object.fromEntries(OWNERS.map((name) => [name, { held: [], last: 0, sent: 0 }]));
          return { model, real };
        }, sequence);
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 600) },
    );
  });
});
