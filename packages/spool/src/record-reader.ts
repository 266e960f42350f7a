import type { ByteCache } from './byte-cache.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { decodeRecord } from './record.ts';
import type { Store } from './store.ts';
import type { SpoolEntry } from './types.ts';

/** Reads records back, from memory or from the store. One that is not there any more is reported, and given up. */
export class RecordReader {
  readonly #store: Store;
  readonly #cache: ByteCache;
  readonly #onLost: (record: LaneRecord, bytes: readonly number[]) => void;

  /** `onLost` is told the bytes of each entry that cannot be read any more. */
  constructor(store: Store, cache: ByteCache, onLost: (record: LaneRecord, bytes: readonly number[]) => void) {
    this.#store = store;
    this.#cache = cache;
    this.#onLost = onLost;
  }

  async read(lane: LaneState, record: LaneRecord): Promise<readonly SpoolEntry[]> {
    const key = lane.recordKey(record.number);
    return this.#decode(lane, record, this.#cache.get(key) ?? (await this.#store.get(key)));
  }

  readSync(lane: LaneState, record: LaneRecord): readonly SpoolEntry[] {
    const key = lane.recordKey(record.number);
    return this.#decode(lane, record, this.#cache.get(key) ?? this.#store.getSync(key));
  }

  #decode(lane: LaneState, record: LaneRecord, value: Uint8Array | undefined): readonly SpoolEntry[] {
    if (record.live === 0) return []; // left while it was read
    if (value !== undefined && value.length > 0) return decodeRecord(lane.lane, value);
    this.#store.report({
      code: 'BH-E-SPOOL-GAP',
      detail: `${lane.recordKey(record.number)} is missing, ${record.live} messages`,
    });
    this.#onLost(record, lane.lose(record));
    return [];
  }
}
