import { ExpiryHeap } from './expiry-heap.ts';
import { numberKey, putJson } from './keys.ts';
import type { LaneRecord } from './lane-record.ts';
import type { Op } from './store.ts';
import type { Lane } from './types.ts';

/** Placeholders deleted in one commit while the head moves up. */
const HEAD_STEPS = 1024;

/**
 * One lane. On disk the records head … next−1 are all there: a record whose entries have all left is deleted only at the head,
 * and is an empty value in the middle, so that a missing number is always a loss and never a habit [S7]. `meta` {head, next} is
 * in every commit; reading starts at the head, never at the start of the lane (LevelDB would walk over all that was deleted).
 */
export class LaneState {
  readonly lane: Lane;
  /** first number not yet deleted, as of the last submission */
  head = 1;
  /** number of the next record, as of the last submission */
  next = 1;
  messages = 0;
  bytes = 0;
  inFlight = 0;
  readonly expiries = new ExpiryHeap<LaneRecord>();
  readonly #prefix: string;
  /** by number; those with nothing live are dropped lazily */
  #records: LaneRecord[] = [];
  #dead = 0;

  constructor(prefix: string, lane: Lane) {
    this.#prefix = prefix;
    this.lane = lane;
  }

  append(record: LaneRecord): void {
    this.#records.push(record);
    if (record.firstExpiry !== Number.POSITIVE_INFINITY) this.expiries.push(record.firstExpiry, record);
  }

  /** The commit that wrote it is on disk. */
  show(record: LaneRecord): void {
    record.isWritten = true;
    this.messages += record.messages;
    this.bytes += record.bytes;
  }

  isClaimable(now: number): boolean {
    for (const record of this.records()) if (record.isClaimable(now)) return true;
    return false;
  }

  /** wall ms at which the first of what is held was received; infinite when nothing is */
  oldestAt(): number {
    for (const record of this.records()) return record.oldestAt;
    return Number.POSITIVE_INFINITY;
  }

  /** The values of a record are not on disk any more: nothing can be sent of it. */
  lose(record: LaneRecord): void {
    this.messages -= record.messages;
    this.bytes -= record.bytes;
    record.live = record.free = record.messages = record.bytes = 0;
  }

  /** Live records with a number above `after`, in order; safe against changes in between. */
  *records(after = 0): Generator<LaneRecord> {
    for (let at = this.#indexAfter(after); at < this.#records.length; at = this.#indexAfter(after)) {
      const record = this.#records[at]!;
      after = record.number;
      if (record.live > 0) yield record;
    }
  }

  recordKey(number: number): string {
    return `${this.#prefix}r/${this.lane}/${numberKey(number)}`;
  }

  bitsKey(number: number): string {
    return `${this.#prefix}b/${this.lane}/${numberKey(number)}`;
  }

  get recordPrefix(): string {
    return `${this.#prefix}r/${this.lane}/`;
  }

  get bitsPrefix(): string {
    return `${this.#prefix}b/${this.lane}/`;
  }

  get metaKey(): string {
    return `${this.#prefix}m/${this.lane}`;
  }

  metaOp(): Op {
    return putJson(this.metaKey, { head: this.head, next: this.next });
  }

  /** What to write after entries of a record were marked as leaving. */
  leftOps(record: LaneRecord): Op[] {
    if (record.live > 0) return [{ type: 'put', key: this.bitsKey(record.number), value: record.leftBits() }];
    this.#dead += 1;
    const bits: Op = { type: 'del', key: this.bitsKey(record.number) };
    const placeholder: Op = { type: 'put', key: this.recordKey(record.number), value: new Uint8Array() };
    return record.number === this.head ? [bits] : [bits, placeholder];
  }

  /** Deletes from the head up to the first record with something live, and tells the new head. */
  advanceOps(): Op[] {
    this.#dropDead();
    const target = Math.min(this.#records[0]?.number ?? this.next, this.head + HEAD_STEPS);
    const ops: Op[] = [];
    for (; this.head < target; this.head += 1) ops.push({ type: 'del', key: this.recordKey(this.head) });
    return [...ops, this.metaOp()];
  }

  #dropDead(): void {
    let dead = 0;
    while (dead < this.#records.length && this.#records[dead]!.live === 0) dead += 1;
    if (dead > 0) this.#records.splice(0, dead);
    this.#dead -= dead;
    if (this.#dead <= 64 || this.#dead * 2 < this.#records.length) return;
    this.#records = this.#records.filter((record) => record.live > 0);
    this.#dead = 0;
  }

  /** Index of the first record with a number above `after`. */
  #indexAfter(after: number): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#records[middle]!.number <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
