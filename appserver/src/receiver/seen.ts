import type { Lane, Mark } from '@backhaul/envelope';
import type { EpochKnowledge } from '@backhaul/transport';
import type { Database, SqlRow, Transaction } from '../store/database.ts';
import { type Epochs, heard, knowledgeOf, newest } from './epochs.ts';
import { type Addition, add, has, highest, type Interval, type Intervals, through } from './intervals.ts';

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
const INSERT = `INSERT INTO "seen" ("source", "epoch", "lane", "first", "last", "customer", "site", "at", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)`;
const EXTEND = 'UPDATE "seen" SET "last" = ? WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "first" = ?';

const EPOCH = `INSERT INTO "epochs" ("source", "epoch", "ordinal", "direct", "firstSeenAt", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT ("source", "epoch") DO UPDATE SET "direct" = excluded."direct"`;

const keyOf = ({ source, epoch, lane }: Stream): string => `${source} ${epoch} ${lane}`;

/**
 * Which sequences of each (source, epoch, lane) need not be sent again: those that were stored, and those whose place a
 * receipt has taken. Held in memory whole, written in the transaction of the effect. `#streams` holds what is committed;
 * a `SeenChanges` holds what the open transaction adds, and is dropped when that is undone. With them the epochs of each
 * source, in the order of appearance.
 */
export class Seen {
  readonly #streams = new Map<string, Intervals>();
  readonly #bySource = new Map<string, Map<string, Stream>>();
  readonly #epochs = new Map<string, Epochs>();

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
    await this.#loadEpochs(database);
  }

  /** What an open transaction adds; `afterCommit` makes it visible here. */
  changes(): SeenChanges {
    return new SeenChanges({
      intervals: (key) => this.#streams.get(key) ?? [],
      streamsOf: (source) => this.#bySource.get(source)?.values() ?? [],
      epochs: (source) => this.#epochs.get(source) ?? [],
      publish: (key, stream, set) => this.#set(key, stream, set),
      publishEpochs: (source, epochs) => this.#epochs.set(source, epochs),
    });
  }

  /** Every stream of a source, its epochs in the order of appearance, and by lane. */
  marks(source: string): Mark[] {
    const epochs = this.#epochs.get(source) ?? [];
    const order = new Map(epochs.map(({ epoch, ordinal }) => [epoch, ordinal]));
    const latest = newest(epochs);
    const streams = [...(this.#bySource.get(source) ?? [])];
    return streams
      .toSorted(([, a], [, b]) => (order.get(a.epoch) ?? 0) - (order.get(b.epoch) ?? 0) || a.lane - b.lane)
      .map(([key, { epoch, lane }]) => ({
        source,
        epoch,
        lane: lane as Lane,
        through: highest(this.#streams.get(key)!),
        newest: latest.has(epoch),
      }));
  }

  async #loadEpochs(database: Database): Promise<void> {
    this.#epochs.clear();
    const rows = await database.reader.selectFrom('epochs').selectAll().orderBy('source').orderBy('ordinal').execute();
    for (const [source, list] of Map.groupBy(rows, (row) => row.source)) {
      const epochs = list.map(({ epoch, ordinal, direct }) => ({ epoch, ordinal, direct: direct === 1 }));
      this.#epochs.set(source, epochs);
    }
  }

  #set(key: string, { source, epoch, lane }: Stream, set: Intervals): void {
    this.#streams.set(key, set);
    const ofSource = this.#bySource.get(source) ?? new Map<string, Stream>();
    ofSource.set(key, { source, epoch, lane });
    this.#bySource.set(source, ofSource);
  }
}

/** What is committed, and how it becomes so. */
interface Committed {
  intervals(key: string): Intervals;
  streamsOf(source: string): Iterable<Stream>;
  epochs(source: string): Epochs;
  publish(key: string, stream: Stream, set: Intervals): void;
  publishEpochs(source: string, epochs: Epochs): void;
}

interface Added {
  readonly streams: Map<string, { stream: Stream; set: Intervals }>;
  readonly epochs: Map<string, Epochs>;
}

/** By whom, and when, sequences were heard of. */
export interface Hearing {
  readonly owner: Owner;
  /** the source itself handed them over */
  readonly direct: boolean;
  /** wall ms */
  readonly at: number;
}

/** One transaction's view: what is committed plus what it has added itself. */
export class SeenChanges {
  readonly #committed: Committed;
  #added: Added = { streams: new Map(), epochs: new Map() };

  constructor(committed: Committed) {
    this.#committed = committed;
  }

  intervals(stream: Stream): Intervals {
    const key = keyOf(stream);
    return this.#added.streams.get(key)?.set ?? this.#committed.intervals(key);
  }

  /** The source has been heard in another epoch than this one, so what it sent there may come again under numbers of this one. */
  isRenumbered({ source, epoch }: Stream): boolean {
    return this.#epochsOf(source).some((record) => record.epoch !== epoch);
  }

  knowledgeOf(source: string, epoch: string): EpochKnowledge {
    return knowledgeOf(this.#epochsOf(source), epoch);
  }

  #epochsOf(source: string): Epochs {
    return this.#added.epochs.get(source) ?? this.#committed.epochs(source);
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
    const added = [...this.#added.streams.values()]
      .map(({ stream }) => stream)
      .filter((stream) => stream.source === source);
    const streams = new Map([...this.#committed.streamsOf(source), ...added].map((stream) => [keyOf(stream), stream]));
    const epochs = new Set([...streams.values()].map((stream) => stream.epoch));
    const intervals = [...streams.values()].reduce((sum, stream) => sum + this.intervals(stream).length, 0);
    return epochs.add(epoch).size <= SOURCE_EPOCHS && intervals < SOURCE_INTERVALS;
  }

  /** Writes into the transaction at once. */
  async add(tx: Transaction, stream: Stream, first: number, last: number, hearing: Hearing): Promise<void> {
    await this.#addEpoch(tx, stream, hearing);
    const addition = add(this.intervals(stream), { first, last });
    await write(tx, stream, addition, hearing);
    this.#added.streams.set(keyOf(stream), { stream, set: addition.set });
  }

  async #addEpoch(tx: Transaction, { source, epoch }: Stream, { owner, direct, at }: Hearing): Promise<void> {
    const before = this.#epochsOf(source);
    const epochs = heard(before, epoch, direct);
    if (epochs === before) return;
    const { ordinal } = epochs.find((record) => record.epoch === epoch)!;
    await tx.run(EPOCH, [[source, epoch, ordinal, direct ? 1 : 0, at, owner.customer, owner.site]]);
    this.#added.epochs.set(source, epochs);
  }

  /** For a savepoint: put the result back with `restore` when it is undone. */
  snapshot(): Added {
    return { streams: new Map(this.#added.streams), epochs: new Map(this.#added.epochs) };
  }

  restore({ streams, epochs }: Added): void {
    this.#added = { streams: new Map(streams), epochs: new Map(epochs) };
  }

  committed(): void {
    for (const [key, { stream, set }] of this.#added.streams) this.#committed.publish(key, stream, set);
    for (const [source, epochs] of this.#added.epochs) this.#committed.publishEpochs(source, epochs);
  }
}

async function write(
  tx: Transaction,
  stream: Stream,
  { removed, added }: Addition,
  { owner: { customer, site }, at }: Hearing,
): Promise<void> {
  const key: SqlRow = [stream.source, stream.epoch, stream.lane];
  const kept = removed.find(({ first }) => first === added.first);
  const gone = removed.filter(({ first }) => first !== added.first);
  if (gone.length > 0)
    await tx.run(
      DELETE,
      gone.map(({ first }) => [...key, first]),
    );
  if (!kept) await tx.run(INSERT, [[...key, added.first, added.last, customer, site, at]]);
  else if (kept.last !== added.last) await tx.run(EXTEND, [[added.last, ...key, added.first]]);
}
