import { jsonData, type Message } from '@backhaul/envelope';
import { expect } from 'chai';
import fc from 'fast-check';
import { CUSTOMER, component, GROUP, MLM, message, TestMlm } from './test-mlm.ts';

/** Members of the group, now or at some time; all are registered below this MLM. */
const MEMBERS = [1, 2, 3, 4].map((n) => `${CUSTOMER}.p${n}`);
/** Large against everything else that is written for a message: how often it is written shows in the bytes. */
const BODY = 8_000;

interface Page {
  readonly messages: readonly Message[];
  readonly through: number;
  /** who is in the group when the page has been taken, if it says so */
  readonly group?: readonly string[];
  readonly version?: number;
}

/** What must be true, kept beside the real thing. */
interface Model {
  /** as the application server has it: every membership message says it */
  group: readonly string[];
  version: number;
  /** the version that the MLM was told last */
  told: number;
  /** as the MLM has it: the last one that it has taken */
  taken: readonly string[];
  /** for each message the members at its expansion: they get it once, nobody else does */
  readonly frozen: Map<string, readonly string[]>;
  readonly received: Map<string, string[]>;
  readonly pages: Page[];
  /** the page that was not taken before a crash, and will come again */
  pending: Page | undefined;
}

interface Real {
  mlm: TestMlm;
  /** mailbox epoch of the parent */
  epoch: number;
}

type Step = fc.AsyncCommand<Model, Real>;

const epochOf = (n: number) => n.toString(16).padStart(16, 'a');

/** A page is taken whole or not at all [B2]; what it means for the model is known by what is acknowledged. */
async function give(model: Model, real: Real, page: Page, crash: boolean): Promise<void> {
  const { store, core } = real.mlm;
  await store.commit([]);
  const before = store.stats();
  const receiving = core.downward.receive(page.messages, { epoch: epochOf(real.epoch), through: page.through });
  if (crash) {
    receiving.catch(() => {});
    await real.mlm.crash();
  } else {
    await receiving;
    expect(store.stats().commits - before.commits, 'one commit a page').to.equal(1);
    const copies = (store.stats().bytesWritten - before.bytesWritten) / BODY;
    expect(copies, 'one copy, however many members').to.be.below(page.messages.length + 0.9);
  }
  const taken = real.mlm.core.downward.acknowledged().through >= page.through;
  if (!crash) expect(taken).to.equal(true);
  if (taken) settle(model, page);
  model.pending = taken ? undefined : page;
}

function settle(model: Model, page: Page): void {
  if (page.group !== undefined) model.taken = page.group;
  model.told = Math.max(model.told, page.version ?? 0);
  for (const { header } of page.messages) {
    const isForGroup = header.destination?.kind === 'group';
    if (isForGroup && !model.frozen.has(header.id)) model.frozen.set(header.id, model.taken);
  }
  model.pages.push(page);
}

const nextThrough = (model: Model) => (model.pages.at(-1)?.through ?? 0) + 1;

function membershipMessage({ version, group }: Pick<Model, 'version' | 'group'>): Message {
  const document = {
    version,
    components: MEMBERS.map((id) => component(id)),
    groups: { [GROUP]: group },
  };
  const content = jsonData(document);
  return message({
    class: 'infrastructure',
    subclass: 'membership',
    content,
    destination: { kind: 'component', id: MLM },
  });
}

const toGroup = (): Message =>
  message({
    class: 'x-model',
    subclass: 'message',
    lane: 4,
    content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x'.repeat(BODY) },
    destination: { kind: 'group', name: GROUP },
  });

/** The application server changes the group; the MLM learns of it with the next page, ahead of the messages that rely on it. */
class Change implements Step {
  readonly members: readonly string[];
  constructor(members: readonly string[]) {
    this.members = members;
  }
  check = ({ pending }: Readonly<Model>): boolean => pending === undefined;
  async run(model: Model): Promise<void> {
    model.group = this.members;
    model.version += 1;
  }
  toString = (): string => `group = [${this.members.map((id) => id.slice(-2)).join()}]`;
}

/** A page with so many messages to the group; with the membership in front when it has changed. */
class Expand implements Step {
  readonly count: number;
  readonly crash: boolean;
  constructor(count: number, crash: boolean) {
    this.count = count;
    this.crash = crash;
  }
  check = ({ pending }: Readonly<Model>): boolean => pending === undefined;
  async run(model: Model, real: Real): Promise<void> {
    const news = model.version > model.told ? [membershipMessage(model)] : [];
    const messages = [...news, ...Array.from({ length: this.count }, toGroup)];
    await give(
      model,
      real,
      { messages, through: nextThrough(model), version: model.version, group: model.group },
      this.crash,
    );
  }
  toString = (): string => `expand ${this.count}${this.crash ? ', crash' : ''}`;
}

/** What was not taken comes again; so does any page that was: its acknowledgement was lost, or the parent has a new mailbox. */
class ArriveAgain implements Step {
  readonly which: number;
  readonly newEpoch: boolean;
  constructor(which: number, newEpoch: boolean) {
    this.which = which;
    this.newEpoch = newEpoch;
  }
  check = ({ pending, pages }: Readonly<Model>): boolean => pending !== undefined || pages.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    if (model.pending !== undefined) return give(model, real, model.pending, false);
    if (this.newEpoch) real.epoch += 1;
    const { messages } = model.pages[this.which % model.pages.length]!;
    const page = { messages, through: nextThrough(model), group: model.taken }; // an older version of the group is not taken
    await give(model, real, page, false);
  }
  toString = (): string => `again ${this.which}${this.newEpoch ? ', new mailbox' : ''}`;
}

/** A membership of an earlier version that comes late, as a message of its own, changes nothing. */
class StaleMembership implements Step {
  check = ({ pending, pages }: Readonly<Model>): boolean => pending === undefined && pages.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const stale = { version: real.mlm.core.membership.tree.version, group: MEMBERS };
    await give(model, real, { messages: [membershipMessage(stale)], through: nextThrough(model) }, false);
  }
  toString = (): string => 'stale membership';
}

/** A member fetches; it acknowledges with its next request, or that is lost and it gets the same again. */
class MemberPoll implements Step {
  readonly member: string;
  readonly lost: boolean;
  constructor(member: string, lost: boolean) {
    this.member = member;
    this.lost = lost;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { mailboxes } = real.mlm.core;
    const page = await mailboxes.read(this.member, { maxMessages: 3, maxBytes: 1e9 });
    const ids = page.messages.map(({ id }) => id);
    if (this.lost) return;
    await mailboxes.acknowledge(this.member, page.epoch, page.through);
    model.received.get(this.member)!.push(...ids);
    checkReceived(model, this.member);
  }
  toString = (): string => `${this.member.slice(-2)} polls${this.lost ? ', lost' : ''}`;
}

class Crash implements Step {
  check = (): boolean => true;
  async run(_model: Model, real: Real): Promise<void> {
    await real.mlm.crash();
  }
  toString = (): string => 'crash';
}

/** Nothing twice, nothing that was frozen without this member, in the order of expansion. */
function checkReceived({ received, frozen }: Model, member: string): void {
  const due = [...frozen].flatMap(([id, members]) => (members.includes(member) ? [id] : []));
  const had = received.get(member)!;
  expect(had, member).to.deep.equal(due.slice(0, had.length));
}

const member = fc.constantFrom(...MEMBERS);
const steps = [
  fc.subarray(MEMBERS).map((members) => new Change(members)),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([count, crash]) => new Expand(count, crash)),
  fc.tuple(fc.nat(20), fc.boolean()).map(([which, newEpoch]) => new ArriveAgain(which, newEpoch)),
  fc.tuple(member, fc.boolean()).map(([id, lost]) => new MemberPoll(id, lost)),
  fc.constant(new StaleMembership()),
  fc.constant(new Crash()),
];

describe('model of group expansion (M3)', () => {
  it('each frozen member gets a message exactly once, nobody else does, and it is stored once', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.commands(steps, { maxCommands: 40 }), async (commands) => {
        const mlm = await TestMlm.create();
        const real: Real = { mlm, epoch: 1 };
        const model: Model = {
          ...{ group: [], version: 2, told: 1, taken: [], frozen: new Map(), pages: [], pending: undefined },
          received: new Map(MEMBERS.map((id) => [id, []])),
        };
        try {
          await fc.asyncModelRun(() => ({ model, real }), commands);
          for (const id of MEMBERS) await drain(model, real, id);
          for (const id of MEMBERS) {
            const due = [...model.frozen].flatMap(([sent, members]) => (members.includes(id) ? [sent] : []));
            expect(model.received.get(id), id).to.deep.equal(due);
          }
        } finally {
          await mlm.close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

async function drain(model: Model, real: Real, id: string): Promise<void> {
  const { mailboxes } = real.mlm.core;
  while (mailboxes.depth(id).messages > 0) await new MemberPoll(id, false).run(model, real);
}
