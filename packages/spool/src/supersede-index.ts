import { FREE, LEAVING } from './entry-columns.ts';
import type { LanePlace } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import type { SpoolEntry } from './types.ts';

type Keyed = Pick<SpoolEntry, 'source' | 'lane' | 'supersedeKey'>;

/**
 * Where the entries with a supersede key stand, by source, lane and key. Usually one; a second one when the older was in flight as
 * the newer came: it goes with the next, if it was not delivered meanwhile.
 */
export class SupersedeIndex {
  readonly #places = new Map<string, LanePlace[]>();

  /** Older entries whose place this one takes: on disk, and not in flight. */
  replacedBy(entry: Keyed): readonly LanePlace[] {
    if (entry.supersedeKey === undefined) return [];
    const places = this.#places.get(nameOf(entry)) ?? [];
    return places.filter(({ record, index }) => record.isWritten && record.stateOf(index) === FREE);
  }

  add(entry: SpoolEntry, lane: LaneState, record: LaneRecord, index: number): void {
    if (entry.supersedeKey === undefined) return;
    const name = nameOf(entry);
    const alive = (this.#places.get(name) ?? []).filter((place) => place.record.stateOf(place.index) < LEAVING);
    this.#places.set(name, [...alive, { lane, record, index }]);
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

/** The last of each key, in order; the earlier ones of the same key never come into the spool. */
export function newestOfEachKey(entries: readonly SpoolEntry[]): { kept: SpoolEntry[]; replaced: SpoolEntry[] } {
  const newest = new Map<string, SpoolEntry>();
  for (const entry of entries) if (entry.supersedeKey !== undefined) newest.set(nameOf(entry), entry);
  const isKept = (entry: SpoolEntry): boolean =>
    entry.supersedeKey === undefined || newest.get(nameOf(entry)) === entry;
  return { kept: entries.filter(isKept), replaced: entries.filter((entry) => !isKept(entry)) };
}

function nameOf({ source, lane, supersedeKey }: Keyed): string {
  return `${source} ${lane} ${supersedeKey}`;
}
