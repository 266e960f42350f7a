import { add, contains, contiguous, type Intervals } from './intervals.ts';
import { nameKey, nameOf, parseJson, putJson } from './keys.ts';
import { type Change, type Op, type Store, stagedChange } from './store.ts';
import type { Lane, Seen } from './types.ts';

/** Intervals per (source, epoch, lane): at the bound only the lowest missing sequence is taken, so that it can only shrink. */
export const SEEN_INTERVALS = 4096;
/** Epochs remembered per source; a further one makes the oldest forgotten (what is superseded and speaks is fenced by its parent). */
export const SEEN_EPOCHS = 8;

interface Epoch {
  /** order of appearance at this component */
  readonly ordinal: number;
  readonly lanes: Map<Lane, Intervals>;
}

type Mark = { source: string; epoch: string; lane: Lane; from: number; to: number };
/** what is stored under `<prefix>/<source>/<epoch>/<lane>` */
type Stored = { ordinal: number; seen: Intervals };

/**
 * What has been received. A mark counts from the moment its change is submitted, so that a second copy meanwhile is known as one;
 * the second copy's answer waits for the first one's commit because commits end in order (an empty commit waits too).
 */
export class SeenIntervals implements Seen {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #bounds: { intervals: number; epochs: number };
  readonly #sources = new Map<string, Map<string, Epoch>>();
  #ordinal = 0;
  #listening = false;

  constructor(options: { store: Store; prefix: string; maxIntervals?: number; maxEpochs?: number }) {
    this.#store = options.store;
    this.#prefix = `${options.prefix}/`;
    this.#bounds = { intervals: options.maxIntervals ?? SEEN_INTERVALS, epochs: options.maxEpochs ?? SEEN_EPOCHS };
  }

  async load(): Promise<void> {
    if (!this.#listening) this.#store.onReopened(() => this.load());
    this.#listening = true;
    this.#sources.clear();
    for await (const [key, value] of this.#store.scan(this.#prefix)) {
      const [source, epoch, lane] = key.slice(this.#prefix.length).split('/') as [string, string, string];
      const { ordinal, seen } = parseJson<Stored>(value);
      this.#ordinal = Math.max(this.#ordinal, ordinal);
      this.#epochs(nameOf(source)).set(epoch, this.#withLane(nameOf(source), epoch, ordinal, Number(lane), seen));
    }
  }

  has(source: string, epoch: string, lane: Lane, sequence: number): boolean {
    return contains(this.#intervals(source, epoch, lane), sequence);
  }

  hasRoom(source: string, epoch: string, lane: Lane, sequence: number): boolean {
    const intervals = this.#intervals(source, epoch, lane);
    return intervals.length < this.#bounds.intervals || sequence === contiguous(intervals) + 1;
  }

  stage(marks: readonly Mark[]): Change {
    return stagedChange(() => this.#submit(marks));
  }

  marks(source: string): readonly { source: string; epoch: string; lane: Lane; through: number }[] {
    return this.#inOrder(source).flatMap(([epoch, { lanes }]) =>
      [...lanes].map(([lane, intervals]) => ({ source, epoch, lane, through: contiguous(intervals) })),
    );
  }

  newestEpoch(source: string): string | undefined {
    return this.#inOrder(source).at(-1)?.[0];
  }

  /** Epochs of a source in the order in which they appeared here. */
  #inOrder(source: string): [string, Epoch][] {
    return [...(this.#sources.get(source) ?? [])].sort(([, a], [, b]) => a.ordinal - b.ordinal);
  }

  #submit(marks: readonly Mark[]): Op[] {
    const ops: Op[] = [];
    const changed = new Map<string, Mark>();
    for (const mark of marks) {
      ops.push(...this.#add(mark));
      changed.set(this.#key(mark.source, mark.epoch, mark.lane), mark);
    }
    for (const [key, { source, epoch, lane }] of changed) {
      const known = this.#sources.get(source)?.get(epoch);
      if (known === undefined) continue; // forgotten again within these marks
      ops.push(putJson(key, { ordinal: known.ordinal, seen: known.lanes.get(lane) ?? [] } satisfies Stored));
    }
    return ops;
  }

  #add({ source, epoch, lane, from, to }: Mark): Op[] {
    const epochs = this.#epochs(source);
    const forgotten = epochs.has(epoch) || epochs.size < this.#bounds.epochs ? [] : this.#forgetOldest(source, epochs);
    const ordinal = epochs.get(epoch)?.ordinal ?? (this.#ordinal += 1);
    const seen = add(this.#intervals(source, epoch, lane), from, to);
    epochs.set(epoch, this.#withLane(source, epoch, ordinal, lane, seen));
    return forgotten;
  }

  #forgetOldest(source: string, epochs: Map<string, Epoch>): Op[] {
    const [epoch, { lanes }] = [...epochs].reduce((a, b) => (a[1].ordinal < b[1].ordinal ? a : b));
    epochs.delete(epoch);
    return [...lanes.keys()].map((lane) => ({ type: 'del', key: this.#key(source, epoch, lane) }));
  }

  #withLane(source: string, epoch: string, ordinal: number, lane: Lane, seen: Intervals): Epoch {
    const known = this.#sources.get(source)?.get(epoch);
    const lanes = known?.lanes ?? new Map<Lane, Intervals>();
    lanes.set(lane, seen);
    return { ordinal: known?.ordinal ?? ordinal, lanes };
  }

  #epochs(source: string): Map<string, Epoch> {
    let epochs = this.#sources.get(source);
    if (epochs === undefined) this.#sources.set(source, (epochs = new Map()));
    return epochs;
  }

  #intervals(source: string, epoch: string, lane: Lane): Intervals {
    return this.#sources.get(source)?.get(epoch)?.lanes.get(lane) ?? [];
  }

  #key(source: string, epoch: string, lane: Lane): string {
    return `${this.#prefix}${nameKey(source)}/${epoch}/${lane}`;
  }
}
