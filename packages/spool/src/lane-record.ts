import { entryBytes } from './record.ts';
import type { SpoolEntry } from './types.ts';

/** What an entry of a record is: free → in flight → free (released) or leaving (submitted) → gone (on disk). */
export const FREE = 0;
export const IN_FLIGHT = 1;
export const LEAVING = 2;
export const GONE = 3;

/** What memory keeps of one record; headers and bodies stay on disk. */
export class LaneRecord {
  readonly number: number;
  readonly count: number;
  readonly oldestAt: number;
  /** no alive entry expires before this; infinite when none expires */
  firstExpiry: number;
  /** false until the commit that wrote it is on disk */
  isWritten = false;
  /** entries that have not left and were not submitted to leave */
  live: number;
  /** entries not gone, and their bytes */
  messages: number;
  bytes: number;
  /** entries that are neither in flight nor leaving */
  free: number;
  #states: Uint8Array | undefined;
  #waits: Map<number, number> | undefined;

  constructor(number: number, entries: readonly SpoolEntry[]) {
    this.number = number;
    this.count = entries.length;
    this.live = this.messages = this.free = entries.length;
    this.oldestAt = entries.reduce((oldest, entry) => Math.min(oldest, entry.receivedAt), Number.POSITIVE_INFINITY);
    this.firstExpiry = firstExpiryOf(entries);
    this.bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  }

  stateOf(index: number): number {
    return this.#states?.[index] ?? FREE;
  }

  /** What had left before the last crash. */
  markGone(index: number, bytes: number): void {
    this.setLeaving(index);
    this.setGone(index, bytes);
  }

  setInFlight(index: number): void {
    this.#set(index, IN_FLIGHT);
    this.free -= 1;
    this.#waits?.delete(index);
  }

  setFree(index: number, notBefore?: number): void {
    this.#set(index, FREE);
    this.free += 1;
    if (notBefore !== undefined) this.setWait(index, notBefore);
  }

  setWait(index: number, notBefore: number): void {
    this.#waits ??= new Map();
    this.#waits.set(index, notBefore);
  }

  setLeaving(index: number): void {
    if (this.stateOf(index) === FREE) this.free -= 1;
    this.#set(index, LEAVING);
    this.#waits?.delete(index);
    this.live -= 1;
  }

  setGone(index: number, bytes: number): void {
    this.#set(index, GONE);
    this.messages -= 1;
    this.bytes -= bytes;
  }

  isWaiting(index: number, now: number): boolean {
    return (this.#waits?.get(index) ?? 0) > now;
  }

  /** True when at least one entry may be claimed. */
  isClaimable(now: number): boolean {
    if (!this.isWritten || this.free === 0) return false;
    if (this.#waits === undefined || this.#waits.size < this.free) return true;
    for (const notBefore of this.#waits.values()) if (notBefore <= now) return true;
    return false;
  }

  /** One bit per entry, set when it has left or is leaving with this commit. */
  leftBits(): Buffer {
    const bits = Buffer.alloc(Math.ceil(this.count / 8));
    for (let index = 0; index < this.count; index += 1) {
      if (this.stateOf(index) >= LEAVING) bits[index >> 3]! |= 1 << (index & 7);
    }
    return bits;
  }

  #set(index: number, state: number): void {
    this.#states ??= new Uint8Array(this.count);
    this.#states[index] = state;
  }
}

export function hasLeft(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

export function firstExpiryOf(entries: readonly SpoolEntry[]): number {
  return entries.reduce(
    (first, entry) => Math.min(first, entry.expiresAt ?? Number.POSITIVE_INFINITY),
    Number.POSITIVE_INFINITY,
  );
}
