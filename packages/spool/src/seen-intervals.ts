import type { Clock } from '@backhaul/runtime';
import { add, contains, contiguous, highest, type Intervals } from './intervals.ts';
import { nameKey, nameOf, parseJson, putJson } from './keys.ts';
import { type Change, type Op, type Store, stagedChange } from './store.ts';
import type { Lane, Seen } from './types.ts';

/** Intervals per (source, epoch, lane): at the bound only the lowest missing sequence is taken, so that it can only shrink. */
export const SEEN_INTERVALS = 4096;
/** Epochs of a source of which everything is remembered; a further one closes the oldest. */
export const SEEN_EPOCHS = 8;
/** Closed epochs of a source that are remembered, by what each lane holds from 1 on without a gap. */
export const CLOSED_EPOCHS = 1024;
/** The oldest closed epoch is forgotten for a new one only after this: nothing of it can still be on its way. */
export const CLOSED_DAYS = 30;
/** Epochs whose marks are told, the newest: a peer finds its own among them and learns that another has followed. */
const MARKED_EPOCHS = 64;
const DAY_MS = 86_400_000;

/** The epochs of one source, each map in order of appearance; those that are closed appeared before those that are open. */
interface Epochs {
  readonly closed: Map<string, Epoch>;
  readonly open: Map<string, Epoch>;
}

interface Epoch {
  /** order of appearance at this component */
  readonly ordinal: number;
  readonly lanes: Map<Lane, Intervals>;
  /** wall ms; nothing is taken in a closed epoch any more */
  closedAt?: number;
}

type Mark = { source: string; epoch: string; lane: Lane; from: number; to: number };
/** what is stored under `<prefix>/<source>/<epoch>/<lane>` */
type Stored = { ordinal: number; seen: Intervals; closedAt?: number };

export interface SeenIntervalsOptions {
  readonly store: Store;
  readonly prefix: string;
  /** without one a closed epoch is never forgotten */
  readonly clock?: Clock;
  readonly maxIntervals?: number;
  readonly maxEpochs?: number;
  readonly maxClosed?: number;
}

/**
 * What has been received. A mark counts from the moment its change is submitted, so that a second copy meanwhile is known as one;
 * the second copy's answer waits for the first one's commit because commits end in order (an empty commit waits too).
 *
 * State is bounded, and nothing that could still be sent again is done twice: a ninth epoch closes the oldest one. Of a closed epoch
 * everything up to its first gap is known as seen; what lies above is refused with the hope of a retry, neither taken nor forgotten.
 * When too many are closed, and the oldest not long ago, a new epoch is refused.
 */
export class SeenIntervals implements Seen {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #clock: Clock | undefined;
  readonly #bounds: { intervals: number; epochs: number; closed: number };
  readonly #sources = new Map<string, Epochs>();
  #ordinal = 0;
  #listening = false;

  constructor(options: SeenIntervalsOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#prefix = `${options.prefix}/`;
    const { maxIntervals = SEEN_INTERVALS, maxEpochs = SEEN_EPOCHS, maxClosed = CLOSED_EPOCHS } = options;
    this.#bounds = { intervals: maxIntervals, epochs: maxEpochs, closed: maxClosed };
  }

  async load(): Promise<void> {
    if (!this.#listening) this.#store.onReopened(() => this.load());
    this.#listening = true;
    this.#sources.clear();
    const loaded = new Map<string, Map<string, Epoch>>();
    for await (const [key, value] of this.#store.scan(this.#prefix)) {
      const [source, epoch, lane] = key.slice(this.#prefix.length).split('/') as [string, string, string];
      const { ordinal, seen, closedAt } = parseJson<Stored>(value);
      this.#ordinal = Math.max(this.#ordinal, ordinal);
      const epochs = loaded.get(nameOf(source)) ?? new Map<string, Epoch>();
      const known: Epoch = epochs.get(epoch) ?? { ordinal, lanes: new Map() };
      known.lanes.set(Number(lane), seen);
      if (closedAt !== undefined) known.closedAt = closedAt;
      loaded.set(nameOf(source), epochs.set(epoch, known));
    }
    for (const [source, epochs] of loaded) this.#sources.set(source, inOrder(epochs));
  }

  has(source: string, epoch: string, lane: Lane, sequence: number): boolean {
    return contains(this.#intervals(source, epoch, lane), sequence);
  }

  hasRoom(source: string, epoch: string, lane: Lane, sequence: number): boolean {
    const known = this.#known(source, epoch);
    if (known === undefined) return this.#hasRoomForEpoch(source);
    if (known.closedAt !== undefined) return false;
    const intervals = this.#intervals(source, epoch, lane);
    return intervals.length < this.#bounds.intervals || sequence === contiguous(intervals) + 1;
  }

  stage(marks: readonly Mark[]): Change {
    return stagedChange(() => this.#submit(marks));
  }

  marks(source: string): readonly { source: string; epoch: string; lane: Lane; through: number }[] {
    const { closed, open } = this.#epochs(source);
    return [...closed, ...open]
      .slice(-MARKED_EPOCHS)
      .flatMap(([epoch, { lanes }]) =>
        [...lanes].map(([lane, intervals]) => ({ source, epoch, lane, through: highest(intervals) })),
      );
  }

  newestEpoch(source: string): string | undefined {
    return [...(this.#sources.get(source)?.open.keys() ?? [])].at(-1);
  }

  #submit(marks: readonly Mark[]): Op[] {
    const ops: Op[] = [];
    const changed = new Map<string, Mark>();
    for (const mark of marks) {
      ops.push(...this.#add(mark));
      changed.set(this.#key(mark.source, mark.epoch, mark.lane), mark);
    }
    for (const [key, { source, epoch, lane }] of changed) {
      const known = this.#known(source, epoch);
      if (known === undefined || known.closedAt !== undefined) continue; // closed again within these marks
      ops.push(putJson(key, { ordinal: known.ordinal, seen: known.lanes.get(lane) ?? [] } satisfies Stored));
    }
    return ops;
  }

  #add({ source, epoch, lane, from, to }: Mark): Op[] {
    const known = this.#known(source, epoch);
    if (known?.closedAt !== undefined) return [];
    const ops = known === undefined ? this.#makeRoom(source) : [];
    const { lanes } = known ?? this.#begin(source, epoch);
    lanes.set(lane, add(lanes.get(lane) ?? [], from, to));
    return ops;
  }

  #begin(source: string, epoch: string): Epoch {
    const begun: Epoch = { ordinal: (this.#ordinal += 1), lanes: new Map() };
    const epochs = this.#epochs(source);
    epochs.open.set(epoch, begun);
    this.#sources.set(source, epochs);
    return begun;
  }

  #hasRoomForEpoch(source: string): boolean {
    const { open, closed } = this.#epochs(source);
    if (open.size < this.#bounds.epochs || closed.size < this.#bounds.closed) return true;
    const now = this.#clock?.now() ?? Number.NEGATIVE_INFINITY;
    return first(closed)[1].closedAt! + CLOSED_DAYS * DAY_MS <= now;
  }

  /** For one more epoch. */
  #makeRoom(source: string): Op[] {
    const { open, closed } = this.#epochs(source);
    if (open.size < this.#bounds.epochs) return [];
    const forgotten = closed.size < this.#bounds.closed ? [] : this.#forget(source, first(closed));
    return [...forgotten, ...this.#close(source, first(open))];
  }

  #close(source: string, [epoch, known]: [string, Epoch]): Op[] {
    known.closedAt = this.#clock?.now() ?? 0;
    const { open, closed } = this.#epochs(source);
    open.delete(epoch);
    closed.set(epoch, known);
    const { ordinal, closedAt } = known;
    return [...known.lanes].map(([lane, intervals]) => {
      const seen: Intervals = contiguous(intervals) === 0 ? [] : [[1, contiguous(intervals)]];
      known.lanes.set(lane, seen);
      return putJson(this.#key(source, epoch, lane), { ordinal, seen, closedAt } satisfies Stored);
    });
  }

  #forget(source: string, [epoch, { lanes }]: [string, Epoch]): Op[] {
    this.#epochs(source).closed.delete(epoch);
    return [...lanes.keys()].map((lane) => ({ type: 'del', key: this.#key(source, epoch, lane) }));
  }

  #epochs(source: string): Epochs {
    return this.#sources.get(source) ?? noEpochs();
  }

  #known(source: string, epoch: string): Epoch | undefined {
    const { open, closed } = this.#sources.get(source) ?? {};
    return open?.get(epoch) ?? closed?.get(epoch);
  }

  #intervals(source: string, epoch: string, lane: Lane): Intervals {
    return this.#known(source, epoch)?.lanes.get(lane) ?? [];
  }

  #key(source: string, epoch: string, lane: Lane): string {
    return `${this.#prefix}${nameKey(source)}/${epoch}/${lane}`;
  }
}

function noEpochs(): Epochs {
  return { closed: new Map(), open: new Map() };
}

/** As they were told to the store, by when they appeared. */
function inOrder(epochs: ReadonlyMap<string, Epoch>): Epochs {
  const sorted = [...epochs].sort(([, a], [, b]) => a.ordinal - b.ordinal);
  return {
    closed: new Map(sorted.filter(([, { closedAt }]) => closedAt !== undefined)),
    open: new Map(sorted.filter(([, { closedAt }]) => closedAt === undefined)),
  };
}

function first<K, V>(map: ReadonlyMap<K, V>): [K, V] {
  return map.entries().next().value!;
}
