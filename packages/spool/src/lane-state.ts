import { EntryColumns, GONE, LEAVING, NEVER } from './entry-columns.ts';
import { EvictionOrder } from './eviction-order.ts';
import { numberKey, putJson } from './keys.ts';
import { LaneRecord } from './lane-record.ts';
import type { Share } from './shares.ts';
import type { Op } from './store.ts';
import type { Streams } from './streams.ts';
import type { Lane, SpoolEntry } from './types.ts';

export const LANES = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
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
  readonly columns = new EntryColumns();
  /** of all that the lane holds */
  order = new EvictionOrder();
  readonly #prefix: string;
  /** by number; those with nothing live are dropped lazily */
  #records: LaneRecord[] = [];
  #dead = 0;

  constructor(prefix: string, lane: Lane) {
    this.#prefix = prefix;
    this.lane = lane;
  }

  /** Of these entries, in memory only. */
  newRecord(number: number, entries: readonly SpoolEntry[], share: Share, streams: Streams): LaneRecord {
    let first = 0;
    for (const [index, entry] of entries.entries()) {
      const at = this.columns.append(entry, streams.numberOf(entry));
      if (index === 0) first = at;
    }
    return new LaneRecord(number, this.columns, { first, count: entries.length }, share);
  }

  append(record: LaneRecord): void {
    this.#records.push(record);
  }

  /** A child's share has an order of its own; what is this component's own leaves by the order of the lane only. */
  putInOrder(record: LaneRecord): void {
    if (record.live === 0) return;
    this.order.add(record);
    if (record.share.via !== undefined) record.share.orderOf(this.lane).add(record);
  }

  /** Adds `msOf` a record to the times of its entries, and puts all in order anew. */
  shiftTimes(msOf: (record: LaneRecord) => number): void {
    this.order = new EvictionOrder();
    for (const record of this.#records) {
      const ms = msOf(record);
      if (ms !== 0) for (let n = 0; n < record.count; n += 1) this.columns.shift(record.first + n, ms);
      record.share.forgetOrder(this.lane);
    }
    for (const record of this.#records) this.putInOrder(record);
  }

  /** When the newest of the records from `first` on was received; minus infinity when there is none. */
  newestAt(first: number): number {
    const last = this.#records.at(-1);
    if (last === undefined || last.number < first) return Number.NEGATIVE_INFINITY;
    for (let at = last.first + last.count - 1; at >= last.first; at -= 1) {
      if (this.columns.stateOf(at) < LEAVING) return this.columns.receivedAt(at);
    }
    return Number.NEGATIVE_INFINITY;
  }

  /** The commit that wrote it is on disk. */
  show(record: LaneRecord): void {
    record.isWritten = true;
    for (let at = record.first; at < record.first + record.count; at += 1) {
      if (this.columns.stateOf(at) === GONE) continue;
      this.messages += 1;
      this.bytes += this.columns.bytesOf(at);
    }
  }

  isClaimable(now: number): boolean {
    for (const record of this.records()) if (record.isClaimable(now)) return true;
    return false;
  }

  /** when the first of what is held was received; infinite when nothing is */
  oldestAt(): number {
    for (const { first, count } of this.records()) {
      for (let at = first; at < first + count; at += 1) {
        if (this.columns.stateOf(at) < LEAVING) return this.columns.receivedAt(at);
      }
    }
    return NEVER;
  }

  /** The values of a record are not on disk any more: nothing can be sent of it. Gives the bytes of each entry that is lost. */
  lose(record: LaneRecord): number[] {
    const lost: number[] = [];
    for (let at = record.first; at < record.first + record.count; at += 1) {
      const state = this.columns.stateOf(at);
      if (state === GONE) continue;
      const bytes = this.columns.bytesOf(at);
      if (state < LEAVING) lost.push(bytes);
      this.messages -= 1;
      this.bytes -= bytes;
      this.columns.setState(at, GONE);
    }
    record.live = record.free = 0;
    return lost;
  }

  /** Live records with a number above `after`, in order; safe against changes in between. */
  *records(after = 0): Generator<LaneRecord> {
    let at = this.#indexAfter(after);
    while (at < this.#records.length) {
      const record = this.#records[at]!;
      if (record.live > 0) yield record;
      at = this.#records[at] === record ? at + 1 : this.#indexAfter(record.number);
    }
  }

  /** As `columns.visitHeld`, for the whole lane. */
  visitHeld(visit: (stream: number, sequence: number) => void): void {
    for (const { live, first, count } of this.#records) if (live > 0) this.columns.visitHeld(first, count, visit);
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
