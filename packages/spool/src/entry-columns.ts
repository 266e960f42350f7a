import { entryBytes } from './record.ts';
import type { SpoolEntry } from './types.ts';

/** What an entry is: free → in flight → free (released) or leaving (submitted) → gone (on disk). */
export const FREE = 0;
export const IN_FLIGHT = 1;
export const LEAVING = 2;
export const GONE = 3;

export const NEVER = Number.POSITIVE_INFINITY;

/** Entries whose columns are allocated, and let go, together. */
const CHUNK = 1024;
const LOW_BITS = CHUNK - 1;
const PERSISTENT = 1;
const PINNED = 2;

class Chunk {
  readonly state = new Uint8Array(CHUNK);
  readonly flags = new Uint8Array(CHUNK);
  readonly bytes = new Uint32Array(CHUNK);
  readonly stream = new Uint32Array(CHUNK);
  readonly sequence = new Float64Array(CHUNK);
  readonly receivedAt = new Float64Array(CHUNK);
  readonly expiresAt = new Float64Array(CHUNK);
  gone = 0;
}

/**
 * What memory knows of each entry of a lane, in order of arrival, 34 bytes an entry: enough to say who has to go first, what is past
 * its time and which sequences are held, without reading a record. Headers and bodies stay on disk.
 */
export class EntryColumns {
  #chunks: (Chunk | undefined)[] = [];
  /** number of the first chunk that is kept */
  #base = 0;
  #next = 0;

  /** `stream` says source and epoch. Times are on the axis of the spool. Gives the entry's place in the columns. */
  append(entry: SpoolEntry, stream: number): number {
    const at = this.#next++;
    if ((at & LOW_BITS) === 0) this.#chunks.push(new Chunk());
    const chunk = this.#chunks.at(-1)!;
    const index = at & LOW_BITS;
    chunk.flags[index] = (entry.persistent ? PERSISTENT : 0) | (isPinned(entry) ? PINNED : 0);
    chunk.bytes[index] = entryBytes(entry);
    chunk.stream[index] = stream;
    chunk.sequence[index] = entry.sequence;
    chunk.receivedAt[index] = entry.receivedAt;
    chunk.expiresAt[index] = entry.expiresAt ?? NEVER;
    return at;
  }

  /** A chunk is let go when all of it is gone. */
  setState(at: number, state: number): void {
    const chunk = this.#chunk(at);
    if (chunk === undefined) return;
    chunk.state[at & LOW_BITS] = state;
    if (state !== GONE) return;
    chunk.gone += 1;
    if (chunk.gone < CHUNK) return;
    this.#chunks[Math.floor(at / CHUNK) - this.#base] = undefined;
    while (this.#chunks.length > 0 && this.#chunks[0] === undefined) {
      this.#chunks.shift();
      this.#base += 1;
    }
  }

  /** Moves the times of an entry on the axis. */
  shift(at: number, ms: number): void {
    const chunk = this.#chunk(at);
    if (chunk === undefined) return;
    chunk.receivedAt[at & LOW_BITS]! += ms;
    chunk.expiresAt[at & LOW_BITS]! += ms;
  }

  stateOf(at: number): number {
    return this.#chunk(at)?.state[at & LOW_BITS] ?? GONE;
  }

  isPersistent(at: number): boolean {
    return ((this.#chunk(at)?.flags[at & LOW_BITS] ?? 0) & PERSISTENT) !== 0;
  }

  /** never evicted */
  isPinned(at: number): boolean {
    return ((this.#chunk(at)?.flags[at & LOW_BITS] ?? 0) & PINNED) !== 0;
  }

  bytesOf(at: number): number {
    return this.#chunk(at)?.bytes[at & LOW_BITS] ?? 0;
  }

  streamOf(at: number): number {
    return this.#chunk(at)?.stream[at & LOW_BITS] ?? 0;
  }

  sequenceOf(at: number): number {
    return this.#chunk(at)?.sequence[at & LOW_BITS] ?? 0;
  }

  receivedAt(at: number): number {
    return this.#chunk(at)?.receivedAt[at & LOW_BITS] ?? NEVER;
  }

  expiresAt(at: number): number {
    return this.#chunk(at)?.expiresAt[at & LOW_BITS] ?? NEVER;
  }

  /** Visits stream and sequence of what is held of `count` entries: not gone, and not submitted to leave. */
  visitHeld(first: number, count: number, visit: (stream: number, sequence: number) => void): void {
    for (let at = first; at < first + count; at += 1) {
      const chunk = this.#chunk(at);
      const index = at & LOW_BITS;
      if (chunk !== undefined && chunk.state[index]! < LEAVING) visit(chunk.stream[index]!, chunk.sequence[index]!);
    }
  }

  #chunk(at: number): Chunk | undefined {
    return this.#chunks[Math.floor(at / CHUNK) - this.#base];
  }
}

/** Emergency, and receipts: an account that was thrown away would leave a gap that nobody can explain. */
function isPinned({ lane, class: className, subclass }: SpoolEntry): boolean {
  return lane === 0 || (className === 'infrastructure' && subclass === 'receipt');
}
