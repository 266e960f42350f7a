import { createHash } from 'node:crypto';
import { silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import {
  LaneQueue,
  LevelMailboxes,
  LevelStore,
  SeenIntervals,
  SequenceCounter,
  type SpoolEntry,
} from '@backhaul/spool';

const ALL = { maxMessages: 1_000_000, maxBytes: 1e12 };
const LANES = [0, 1, 2, 3, 4, 5, 6, 7, 8];
/** LevelDB's smallest write buffer: many tables from few messages. */
export const SMALL_BUFFER = 64 * 1024;
/** `small` holds no more than this. */
export const SMALL_QUEUE_MESSAGES = 12;
export const OWNERS = ['o.p1', 'o.p2', 'o.p3'];
export const SOURCES = ['c.s1', 'c.s2'];

/** What a store holds, in words that do not depend on how: what is where → its hash or value. */
export type Contents = Record<string, string>;

/** One store with every core over it that a role has: queues, mailboxes, what was seen, and its own numbers. */
export class Cores {
  readonly store: LevelStore;
  /** wide enough for everything */
  readonly up: LaneQueue;
  /** has to evict */
  readonly small: LaneQueue;
  readonly boxes: LevelMailboxes;
  readonly seen: SeenIntervals;
  readonly own: SequenceCounter;

  constructor(directory: string, ballastBytes = 0) {
    const [clock, random] = [systemClock, systemRandom];
    this.store = new LevelStore({
      directory,
      clock,
      logger: silentLogger,
      ballastBytes,
      reserveBytes: 0,
      spaceCheckMs: 10,
      writeBufferSize: SMALL_BUFFER,
      reopen: { tries: 3, waitMs: 1 },
    });
    const { store } = this;
    const wide = { maxBytes: 1e9, maxMessages: 1e6 };
    this.up = new LaneQueue({ store, clock, prefix: 'up', ...wide });
    this.small = new LaneQueue({ store, clock, prefix: 'small', maxBytes: 1e9, maxMessages: SMALL_QUEUE_MESSAGES });
    this.boxes = new LevelMailboxes({ store, clock, random, prefix: 'down', quotaBytes: 1e9, quotaMessages: 1e6 });
    this.seen = new SeenIntervals({ store, prefix: 'seen' });
    this.own = new SequenceCounter({ store, random, prefix: 'own' });
  }

  async start(): Promise<void> {
    await this.store.start();
    try {
      for (const core of [this.up, this.small, this.boxes, this.seen, this.own]) await core.load();
    } catch (error) {
      await this.store.stop();
      throw error;
    }
  }

  async contents(): Promise<Contents> {
    const held: Contents = {};
    for (const [name, queue] of [
      ['up', this.up],
      ['small', this.small],
    ] as const) {
      for (const entry of await heldBy(queue)) count(held, `${name}/${entry.id}`, hashOf(entry));
      for (const { entry } of await queue.deadLetters({ limit: 1_000 }))
        count(held, `${name}-dead/${entry.id}`, hashOf(entry));
    }
    for (const owner of OWNERS)
      for (const message of (await this.boxes.read(owner, ALL)).messages)
        count(held, `${owner}/${message.id}`, hashOf(message));
    for (const source of SOURCES)
      for (const { epoch, lane, through } of this.seen.marks(source))
        held[`seen/${source}/${epoch}/${lane}`] = String(through);
    const epoch = await this.store.get('own/epoch');
    if (epoch !== undefined) held['epoch'] = this.own.epoch;
    for (const lane of LANES) if (this.own.last(lane) > 0) held[`last/${lane}`] = String(this.own.last(lane));
    return held;
  }
}

export function hashOf({ header, body }: Pick<SpoolEntry, 'header' | 'body'>): string {
  return createHash('sha256').update(header).update('|').update(body).digest('hex').slice(0, 16);
}

/** The same thing twice shows as another value. */
function count(held: Contents, key: string, hash: string): void {
  held[key] = held[key] === undefined ? hash : `${held[key]} again ${hash}`;
}

async function heldBy(queue: LaneQueue): Promise<SpoolEntry[]> {
  const entries: SpoolEntry[] = [];
  const claims = [];
  for (let claim = await queue.claim(ALL); claim !== undefined; claim = await queue.claim(ALL)) {
    entries.push(...claim.entries);
    claims.push(claim);
  }
  for (const claim of claims) queue.release(claim);
  return entries;
}
