import { type EntryColumns, FREE, GONE, IN_FLIGHT, LEAVING, NEVER } from './entry-columns.ts';
import type { Share } from './shares.ts';

/** What memory keeps of one record; what is known of its entries stands in the columns of the lane, from `first` on. */
export class LaneRecord {
  readonly number: number;
  readonly columns: EntryColumns;
  readonly first: number;
  readonly count: number;
  /** whose messages these are */
  readonly share: Share;
  /** false until the commit that wrote it is on disk */
  isWritten = false;
  /** entries that have not left and were not submitted to leave */
  live: number;
  /** entries that are neither in flight nor leaving */
  free: number;
  #waits: Map<number, number> | undefined;

  constructor(number: number, columns: EntryColumns, entries: { first: number; count: number }, share: Share) {
    this.number = number;
    this.columns = columns;
    this.first = entries.first;
    this.count = entries.count;
    this.live = this.free = entries.count;
    this.share = share;
  }

  stateOf(index: number): number {
    return this.columns.stateOf(this.first + index);
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

  setGone(index: number): void {
    this.#set(index, GONE);
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

  /** No alive entry expires before this. */
  firstExpiry(): number {
    let first = NEVER;
    for (let index = 0; index < this.count; index += 1) {
      if (this.stateOf(index) < LEAVING) first = Math.min(first, this.columns.expiresAt(this.first + index));
    }
    return first;
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
    this.columns.setState(this.first + index, state);
  }
}

export function hasLeft(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}
