import type { Lane, Mark } from '@backhaul/envelope';
import type { Database, SqlRow, Transaction } from '../store/database.ts';
import { type Addition, add, has, type Interval, type Intervals, through } from './intervals.ts';

/** Open gaps of one stream; past it everything but the lowest missing sequence is refused retryably [DESIGN §4.3]. */
export const SEEN_INTERVALS = 4_096;

/** Open gaps of all streams of one source together [T-A35]. */
export const SOURCE_INTERVALS = 4 * SEEN_INTERVALS;
/** Epochs of one source: there is one for each time its store was made or restored [T-A35]. */
export const SOURCE_EPOCHS = 64;

export interface Stream {
  readonly source: string;
  readonly epoch: string;
  readonly lane: number;
}

/** Whose component the source is. */
export interface Owner {
  readonly customer: string;
  readonly site: string | null;
}

const DELETE = 'DELETE FROM "seen" WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "first" = ?';
const INSERT = `INSERT INTO "seen" ("source", "epoch", "lane", "first", "last", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)`;
const EXTEND = 'UPDATE "seen" SET "last" = ? WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "first" = ?';

const keyOf = ({ source, epoch, lane }: Stream): string => `${source} ${epoch} ${lane}`;

/**
 * Which sequences of each (source, epoch, lane) need not be sent again: those that were stored, and those whose place a
 * receipt has taken. Held in memory whole, written in the transaction of the effect. `#streams` holds what is committed;
 * a `SeenChanges` holds what the open transaction adds, and is dropped when that is undone.
 */
export class Seen {
  readonly #streams = new Map<string, Intervals>();
  readonly #bySource = new Map<string, Map<string, Stream>>();

  async load(database: Database): Promise<void> {
    this.#streams.clear();
    const rows = await database.reader
      .selectFrom('seen')
      .selectAll()
      .orderBy('source')
      .orderBy('epoch')
      .orderBy('lane')
      .orderBy('first')
      .execute();
    const grouped = Map.groupBy(rows, keyOf);
    for (const [key, list] of grouped)
      this.#set(
        key,
        list[0]!,
        list.map(({ first, last }) => ({ first, last })),
      );
  }

  /** What an open transaction adds; `afterCommit` makes it visible here. */
  changes(): SeenChanges {
    return new SeenChanges(
      (key) => this.#streams.get(key) ?? [],
      (key, stream, set) => this.#set(key, stream, set),
      (source) => this.#bySource.get(source)?.values() ?? [],
    );
  }

  marks(source: string): Mark[] {
    const streams = [...(this.#bySource.get(source) ?? [])];
    return streams.map(([key, { epoch, lane }]) => ({
      source,
      epoch,
      lane: lane as Lane,
      through: through(this.#streams.get(key)!),
    }));
  }

  #set(key: string, { source, epoch, lane }: Stream, set: Intervals): void {
    this.#streams.set(key, set);
    const ofSource = this.#bySource.get(source) ?? new Map<string, Stream>();
    ofSource.set(key, { source, epoch, lane });
    this.#bySource.set(source, ofSource);
  }
}

/** One transaction's view: what is committed plus what it has added itself. */
export class SeenChanges {
  readonly #committed: (key: string) => Intervals;
  readonly #publish: (key: string, stream: Stream, set: Intervals) => void;
  readonly #streamsOf: (source: string) => Iterable<Stream>;
  #added = new Map<string, { stream: Stream; set: Intervals }>();

  constructor(
    committed: (key: string) => Intervals,
    publish: (key: string, stream: Stream, set: Intervals) => void,
    streamsOf: (source: string) => Iterable<Stream>,
  ) {
    this.#committed = committed;
    this.#publish = publish;
    this.#streamsOf = streamsOf;
  }

  intervals(stream: Stream): Intervals {
    const key = keyOf(stream);
    return this.#added.get(key)?.set ?? this.#committed(key);
  }

  has(stream: Stream, sequence: number): boolean {
    return has(this.intervals(stream), sequence);
  }

  /** What joins what is there, the lowest missing sequence always, makes no gap more. */
  hasRoom(stream: Stream, { first, last }: Interval): boolean {
    const set = this.intervals(stream);
    if (set.length > 0) {
      if (first <= through(set) + 1) return true;
      if ([first - 1, first, last, last + 1].some((sequence) => has(set, sequence))) return true;
      if (set.length >= SEEN_INTERVALS) return false;
    }
    return this.#sourceHasRoom(stream);
  }

  #sourceHasRoom({ source, epoch }: Stream): boolean {
    const added = [...this.#added.values()].map(({ stream }) => stream).filter((stream) => stream.source === source);
    const streams = new Map([...this.#streamsOf(source), ...added].map((stream) => [keyOf(stream), stream]));
    const epochs = new Set([...streams.values()].map((stream) => stream.epoch));
    const intervals = [...streams.values()].reduce((sum, stream) => sum + this.intervals(stream).length, 0);
    return epochs.add(epoch).size <= SOURCE_EPOCHS && intervals < SOURCE_INTERVALS;
  }

  /** Writes into the transaction at once. */
  async add(tx: Transaction, stream: Stream, first: number, last: number, owner: Owner): Promise<void> {
    const addition = add(this.intervals(stream), { first, last });
    await write(tx, stream, addition, owner);
    this.#added.set(keyOf(stream), { stream, set: addition.set });
  }

  /** For a savepoint: put the result back with `restore` when it is undone. */
  snapshot(): ReadonlyMap<string, { stream: Stream; set: Intervals }> {
    return new Map(this.#added);
  }

  restore(snapshot: ReadonlyMap<string, { stream: Stream; set: Intervals }>): void {
    this.#added = new Map(snapshot);
  }

  committed(): void {
    for (const [key, { stream, set }] of this.#added) this.#publish(key, stream, set);
  }
}

async function write(
  tx: Transaction,
  stream: Stream,
  { removed, added }: Addition,
  { customer, site }: Owner,
): Promise<void> {
  const key: SqlRow = [stream.source, stream.epoch, stream.lane];
  const kept = removed.find(({ first }) => first === added.first);
  const gone = removed.filter(({ first }) => first !== added.first);
  if (gone.length > 0)
    await tx.run(
      DELETE,
      gone.map(({ first }) => [...key, first]),
    );
  if (!kept) await tx.run(INSERT, [[...key, added.first, added.last, customer, site]]);
  else if (kept.last !== added.last) await tx.run(EXTEND, [[added.last, ...key, added.first]]);
}
