import { FREE, LEAVING, NEVER } from './entry-columns.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import type { LaneRecord } from './lane-record.ts';

/** One entry, unread. */
export interface Place {
  readonly record: LaneRecord;
  readonly index: number;
}

export interface ExpiryBounds {
  readonly limit: number;
  readonly maxRecords: number;
  /** false for a record whose times may be wrong */
  readonly isCertain: (record: LaneRecord) => boolean;
}

/** Records that one look for expired entries opens, in memory. */
const RECORDS_LOOKED_AT = 256;
/** Records passed over in one search before the list is cleared of them. */
const DEAD_RECORDS = 64;

/**
 * Entries of one lane (all of them, or one child's) in the order in which they have to go: by expiry; then what never expires, the
 * unprotected before the persistent, the oldest first. Known without reading a record.
 */
export class EvictionOrder {
  readonly #expiring = new ExpiryHeap<LaneRecord>();
  readonly #unprotected = new LastingList(false);
  readonly #persistent = new LastingList(true);

  add(record: LaneRecord): void {
    const first = record.firstExpiry();
    if (first !== NEVER) this.#expiring.push(first, record);
    this.#unprotected.add(record);
    this.#persistent.add(record);
  }

  /** Free entries that may be evicted. Changes nothing but the order of equals. */
  *candidates(): Generator<Place> {
    yield* this.#expiringPlaces();
    yield* this.#unprotected.places();
    yield* this.#persistent.places();
  }

  /** Free entries that are past their time: about `limit`, in at most `maxRecords` records. */
  expired(now: number, { limit, maxRecords, isCertain }: ExpiryBounds): Place[] {
    const places: Place[] = [];
    const opened: LaneRecord[] = [];
    let found = 0;
    const isMore = (): boolean => places.length < limit && found < maxRecords && opened.length < RECORDS_LOOKED_AT;
    while (isMore() && (this.#expiring.peek()?.at ?? NEVER) <= now) {
      const { value: record } = this.#expiring.pop()!;
      if (record.live === 0) continue;
      opened.push(record);
      if (!isCertain(record)) continue;
      const before = places.length;
      for (const place of freePlaces(record)) if (expiryOf(place) <= now) places.push(place);
      if (places.length > before) found += 1;
    }
    this.#close(opened);
    return places;
  }

  *#expiringPlaces(): Generator<Place> {
    const opened: LaneRecord[] = [];
    const ready = new ExpiryHeap<Place>(isBefore);
    try {
      for (;;) {
        const top = this.#expiring.peek();
        const next = ready.peek();
        if (next !== undefined && (top === undefined || next.at < top.at)) yield ready.pop()!.value;
        else if (top === undefined) return;
        else {
          const { value: record } = this.#expiring.pop()!;
          if (record.live === 0) continue;
          opened.push(record);
          for (const place of freePlaces(record)) {
            if (expiryOf(place) !== NEVER && !isPinned(place)) ready.push(expiryOf(place), place);
          }
        }
      }
    } finally {
      this.#close(opened);
    }
  }

  #close(opened: readonly LaneRecord[]): void {
    for (const record of opened) {
      const first = record.firstExpiry();
      if (first !== NEVER) this.#expiring.push(first, record);
    }
  }
}

/** Records with entries that never expire, of one kind of protection, oldest first. */
class LastingList {
  readonly #isPersistent: boolean;
  #records: LaneRecord[] = [];
  /** those before it hold nothing of this kind any more */
  #start = 0;

  constructor(persistent: boolean) {
    this.#isPersistent = persistent;
  }

  add(record: LaneRecord): void {
    if (this.#holds(record)) this.#records.push(record);
  }

  *places(): Generator<Place> {
    this.#skipEmpty();
    let dead = 0;
    for (let at = this.#start; at < this.#records.length; at += 1) {
      const record = this.#records[at]!;
      if (record.free === 0) {
        dead += record.live === 0 ? 1 : 0;
        continue;
      }
      let found = false;
      for (const place of freePlaces(record)) {
        if (!this.#isOfKind(record, place.index)) continue;
        found = true;
        yield place;
      }
      if (!found && !this.#holds(record)) dead += 1;
      if (dead > DEAD_RECORDS) {
        dead = 0;
        at = this.#clear(at);
      }
    }
  }

  #skipEmpty(): void {
    while (this.#start < this.#records.length && !this.#holds(this.#records[this.#start]!)) this.#start += 1;
    if (this.#start > DEAD_RECORDS && this.#start * 2 > this.#records.length) this.#clear(this.#start);
  }

  /** Forgets what holds nothing before `at`; tells where the record at `at` stands now. */
  #clear(at: number): number {
    const before = this.#records.slice(this.#start, at).filter((record) => this.#holds(record));
    this.#records = [...before, ...this.#records.slice(at)];
    this.#start = 0;
    return before.length;
  }

  #holds(record: LaneRecord): boolean {
    if (record.live === 0) return false;
    for (let index = 0; index < record.count; index += 1) {
      if (record.stateOf(index) < LEAVING && this.#isOfKind(record, index)) return true;
    }
    return false;
  }

  #isOfKind({ columns, first }: LaneRecord, index: number): boolean {
    const at = first + index;
    return columns.expiresAt(at) === NEVER && columns.isPersistent(at) === this.#isPersistent && !columns.isPinned(at);
  }
}

function* freePlaces(record: LaneRecord): Generator<Place> {
  if (!record.isWritten || record.free === 0) return;
  for (let index = 0; index < record.count; index += 1) {
    if (record.stateOf(index) === FREE) yield { record, index };
  }
}

/** Of two that expire at the same time: the unprotected, then the older. */
function isBefore(a: Place, b: Place): boolean {
  if (isPersistent(a) !== isPersistent(b)) return isPersistent(b);
  return a.record.number === b.record.number ? a.index < b.index : a.record.number < b.record.number;
}

function expiryOf({ record, index }: Place): number {
  return record.columns.expiresAt(record.first + index);
}

function isPersistent({ record, index }: Place): boolean {
  return record.columns.isPersistent(record.first + index);
}

function isPinned({ record, index }: Place): boolean {
  return record.columns.isPinned(record.first + index);
}
