import { FREE, LEAVING } from './entry-columns.ts';
import type { LanePlace } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import type { SpoolEntry } from './types.ts';

type Keyed = Pick<SpoolEntry, 'source' | 'lane' | 'supersedeKey'>;
/** An entry that is not numbered yet is newer than all there are. */
type Newcomer = Keyed & Partial<Numbered>;
type Numbered = Pick<SpoolEntry, 'epoch' | 'sequence'>;
type KeyedPlace = LanePlace & Numbered;

/**
 * Where the entries with a supersede key stand, by source, lane and key. Usually one; a second one when the older was in flight as
 * the newer came: it goes with the next, if it was not delivered meanwhile.
 */
export class SupersedeIndex {
  readonly #places = new Map<string, KeyedPlace[]>();

  /**
   * Older entries whose place this one takes: on disk, and not in flight. What was refused for a retry, or went by another
   * way, comes late: it takes the place of nothing that its source numbered after it.
   */
  replacedBy(entry: Newcomer): readonly LanePlace[] {
    if (entry.supersedeKey === undefined) return [];
    const places = this.#places.get(nameOf(entry)) ?? [];
    return places.filter(
      (place) => place.record.isWritten && place.record.stateOf(place.index) === FREE && !isLater(place, entry),
    );
  }

  add(entry: SpoolEntry, lane: LaneState, record: LaneRecord, index: number): void {
    if (entry.supersedeKey === undefined) return;
    const name = nameOf(entry);
    const alive = (this.#places.get(name) ?? []).filter((place) => place.record.stateOf(place.index) < LEAVING);
    this.#places.set(name, [...alive, { lane, record, index, epoch: entry.epoch, sequence: entry.sequence }]);
  }

  /** Called when the entry has been marked as leaving. */
  remove(entry: SpoolEntry): void {
    if (entry.supersedeKey === undefined) return;
    const name = nameOf(entry);
    const alive = (this.#places.get(name) ?? []).filter((place) => place.record.stateOf(place.index) < LEAVING);
    if (alive.length > 0) this.#places.set(name, alive);
    else this.#places.delete(name);
  }
}

/** The newest of each key, in order; the earlier ones of the same key never come into the spool. */
export function newestOfEachKey(entries: readonly SpoolEntry[]): { kept: SpoolEntry[]; replaced: SpoolEntry[] } {
  const newest = new Map<string, SpoolEntry>();
  for (const entry of entries) {
    if (entry.supersedeKey === undefined) continue;
    const name = nameOf(entry);
    const known = newest.get(name);
    if (known === undefined || !isLater(known, entry)) newest.set(name, entry);
  }
  const isKept = (entry: SpoolEntry): boolean =>
    entry.supersedeKey === undefined || newest.get(nameOf(entry)) === entry;
  return { kept: entries.filter(isKept), replaced: entries.filter((entry) => !isKept(entry)) };
}

/** Sequences tell within an epoch only; otherwise what comes later is newer. */
const isLater = (a: Numbered, b: Partial<Numbered>): boolean =>
  a.epoch === b.epoch && b.sequence !== undefined && a.sequence > b.sequence;

function nameOf({ source, lane, supersedeKey }: Keyed): string {
  return `${source} ${lane} ${supersedeKey}`;
}
