import { systemClock } from '@backhaul/runtime';
import type { Change, Claim, Settlement, SpoolEntry } from '@backhaul/spool';
import { seededRandom } from '@backhaul/testkit';
import { type Cores, hashOf, OWNERS, SOURCES } from './cores.ts';

const BODY_BYTES = 6_000;
/** long enough that nothing is past its time while it is looked at */
const LIFE_MS = 3_600_000;
const dice = seededRandom(5);
let made = 0;

/** What a commit changes in the contents. */
export interface Delta {
  readonly set?: Record<string, string>;
  readonly del?: readonly string[];
}

export interface Workload {
  readonly cores: Cores;
  /** Says what is about to change, lets it happen in this tick, and says that it has. */
  step(delta: Delta, act: () => Promise<void>): Promise<void>;
  /** One commit of these changes. */
  commit(delta: Delta, changes: readonly Change[]): Promise<void>;
  /** Stops the store and starts it again. */
  restart(): Promise<void>;
}

/** What is done to a store, by name. Each touches the disk in its own way. */
export const SCRIPTS: Readonly<Record<string, (work: Workload) => Promise<void>>> = {
  rotation,
  settlement,
  expansion,
  eviction,
  restarts,
  epochs,
};

/** Not in the list: what it does to the disk the others do. */
export async function everything(work: Workload): Promise<void> {
  for (const script of Object.values(SCRIPTS)) await script(work);
}

/** 50 messages that do not compress: the log is rotated several times, and tables are merged. */
async function rotation({ cores: { up }, commit }: Workload): Promise<void> {
  for (let n = 0; n < 50; n += 1) {
    const entry = make({ lane: n % 5 === 0 ? 2 : 6, body: dice.bytes(BODY_BYTES) });
    await commit({ set: { [`up/${entry.id}`]: hashOf(entry) } }, [up.stage([entry])]);
  }
}

async function settlement({ cores: { up }, commit }: Workload): Promise<void> {
  for (let n = 0; n < 16; n += 1) {
    const entries = [make({ lane: 2 }), make({ lane: 6 }), make({ lane: 6, body: dice.bytes(BODY_BYTES) })];
    await commit({ set: setOf('up', entries) }, [up.stage(entries)]);
    const claim = await up.claim({ maxMessages: 4, maxBytes: 100_000 });
    if (claim !== undefined) await settle(claim, n);
  }

  async function settle(claim: Claim, n: number): Promise<void> {
    if (n % 5 === 4) return up.release(claim);
    const verdicts = claim.entries.map((_, index): Settlement => {
      if (index === 2) return { outcome: 'retry', notBefore: 0 };
      return index === 1 && n % 2 === 0 ? { outcome: 'refused', code: 'BH-E-FORMAT' } : { outcome: 'accepted' };
    });
    const gone = claim.entries.filter((_, index) => verdicts[index]!.outcome !== 'retry');
    const dead = claim.entries.filter((_, index) => verdicts[index]!.outcome === 'refused');
    await commit({ set: setOf('up-dead', dead), del: keysOf('up', gone) }, [up.settle(claim, verdicts).change]);
  }
}

/** A group message becomes a reference in each mailbox, its mark and a receipt in one commit; owners acknowledge, staff revokes. */
async function expansion({ cores: { up, boxes, seen }, commit, step }: Workload): Promise<void> {
  for (let n = 1; n <= 20; n += 1) {
    const message = make({ body: dice.bytes(n % 3 === 0 ? BODY_BYTES : 300) });
    const receipt = make({ lane: 4 });
    const [source, epoch] = [SOURCES[n % 2]!, '00000000000000e1'];
    const through = (seen.marks(source)[0]?.through ?? 0) + 1;
    const set = {
      ...Object.fromEntries(OWNERS.map((owner) => [`${owner}/${message.id}`, hashOf(message)])),
      ...setOf('up', [receipt]),
      [`seen/${source}/${epoch}/4`]: String(through),
    };
    const mark = { source, epoch, lane: 4, from: through, to: through };
    await commit({ set }, [boxes.stagePut(OWNERS, message), seen.stage([mark]), up.stage([receipt])]);
    if (n % 4 === 0) await acknowledge(OWNERS[n % OWNERS.length]!);
    if (n % 7 === 0)
      await commit({ del: OWNERS.map((owner) => `${owner}/${message.id}`) }, [boxes.stageRevoke(message.id)]);
  }

  async function acknowledge(owner: string): Promise<void> {
    const page = await boxes.read(owner, { maxMessages: 3, maxBytes: 1e6 });
    const del = page.messages.map(({ id }) => `${owner}/${id}`);
    await step({ del }, () => boxes.acknowledge(owner, page.epoch, page.through));
  }
}

/** A queue that is full: the least leaves with a receipt; what is refused becomes a dead letter, what is late expires. */
async function eviction({ cores: { small, up }, commit }: Workload): Promise<void> {
  for (let n = 0; n < 24; n += 1) {
    const late = n % 6 === 5 ? { expiresAt: systemClock.now() + LIFE_MS } : {};
    const entry = make({ lane: 8 - (n % 8), body: dice.bytes(n % 2 === 0 ? BODY_BYTES : 200), ...late });
    let staged: ReturnType<typeof small.stage>;
    try {
      staged = small.stage([entry]);
    } catch {
      continue; // it would be the least itself
    }
    const receipt = make({ lane: 4 });
    const del = staged.removed.map(({ entry: { id } }) => `small/${id}`);
    await commit({ set: { ...setOf('small', [entry]), ...setOf('up', [receipt]) }, del }, [
      staged,
      up.stage([receipt]),
    ]);
    if (n % 6 === 5) await expire();
    if (n % 5 === 4) await refuse();
  }

  async function expire(): Promise<void> {
    const { change, removed } = small.expire(systemClock.now() + 2 * LIFE_MS);
    await commit({ del: removed.map(({ entry: { id } }) => `small/${id}`) }, [change]);
  }

  async function refuse(): Promise<void> {
    const claim = await small.claim({ maxMessages: 1, maxBytes: 1e6 });
    if (claim === undefined) return;
    const verdicts = claim.entries.map(() => ({ outcome: 'refused', code: 'BH-E-FORMAT' }) as const);
    const set = setOf('small-dead', claim.entries);
    await commit({ set, del: keysOf('small', claim.entries) }, [small.settle(claim, verdicts).change]);
    const [letter, more] = await small.deadLetters();
    if (letter === undefined || more === undefined) return;
    await commit({ del: [`small-dead/${letter.entry.id}`] }, [small.removeDeadLetter(letter.number)]);
  }
}

/** Opening and closing: the ballast, the tail mark, the count of starts, the log written again as a table. */
async function restarts(work: Workload): Promise<void> {
  for (let n = 0; n < 5; n += 1) {
    for (let m = 0; m < 4; m += 1) {
      const entry = make({ lane: 6, body: dice.bytes(m * 1_500) });
      await work.commit({ set: setOf('up', [entry]) }, [work.cores.up.stage([entry])]);
    }
    await work.restart();
  }
}

async function epochs({ cores: { up, own }, commit }: Workload): Promise<void> {
  for (let n = 1; n <= 24; n += 1) {
    if (n % 8 === 0) {
      const del = [4, 6].map((lane) => `last/${lane}`);
      const renewal = own.renew();
      void renewal.ops; // in effect when submitted
      await commit({ set: { epoch: own.epoch }, del }, [renewal]);
    }
    const lane = n % 2 === 0 ? 4 : 6;
    const { first, change } = own.stage(lane, 2);
    const entries = [first, first + 1].map((sequence) => make({ lane, sequence, epoch: own.epoch }));
    const set = { ...setOf('up', entries), epoch: own.epoch, [`last/${lane}`]: String(first + 1) };
    await commit({ set }, [change, up.stage(entries)]);
  }
}

function make(given: Partial<SpoolEntry>): SpoolEntry {
  made += 1;
  return {
    id: `m${process.pid}-${String(made).padStart(6, '0')}`,
    source: 'c0000test.p1',
    epoch: '00000000000000e1',
    lane: 4,
    sequence: made,
    class: 'performance',
    subclass: 'sample',
    header: Buffer.from(`<header id="${made}">`),
    body: dice.bytes(400),
    receivedAt: 1_000,
    persistent: false,
    ...given,
  };
}

function setOf(place: string, entries: readonly SpoolEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => [`${place}/${entry.id}`, hashOf(entry)]));
}

function keysOf(place: string, entries: readonly SpoolEntry[]): string[] {
  return entries.map(({ id }) => `${place}/${id}`);
}
