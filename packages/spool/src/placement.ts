import type { ByteCache } from './byte-cache.ts';
import { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { encodeRecord, splitIntoRecords } from './record.ts';
import type { Op } from './store.ts';
import type { SpoolEntry } from './types.ts';

export interface Placed {
  readonly lane: LaneState;
  readonly record: LaneRecord;
  readonly ops: readonly Op[];
}

/** New records at the end of their lanes, in the order of the entries. */
export function place(lanes: readonly LaneState[], entries: readonly SpoolEntry[], cache: ByteCache): Placed[] {
  return lanes.flatMap((lane) => {
    const own = entries.filter((entry) => entry.lane === lane.lane);
    return splitIntoRecords(own).map((group) => placeRecord(lane, group, cache));
  });
}

function placeRecord(lane: LaneState, entries: readonly SpoolEntry[], cache: ByteCache): Placed {
  const number = lane.next++;
  const record = new LaneRecord(number, entries);
  const key = lane.recordKey(number);
  const value = encodeRecord(entries);
  lane.append(record);
  cache.add(key, value);
  return { lane, record, ops: [{ type: 'put', key, value }, lane.metaOp()] };
}
