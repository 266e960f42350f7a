import type { ByteCache } from './byte-cache.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { encodeRecord, splitIntoRecords } from './record.ts';
import type { Share } from './shares.ts';
import type { SpoolContents } from './spool-contents.ts';
import type { Op } from './store.ts';
import type { Streams } from './streams.ts';
import type { SpoolEntry } from './types.ts';

export interface Placed {
  readonly lane: LaneState;
  readonly record: LaneRecord;
  readonly entries: readonly SpoolEntry[];
  readonly ops: readonly Op[];
}

/** New records at the end of their lanes, in the order of the entries [S3]; a record holds messages of one child only. */
export function place(contents: SpoolContents, entries: readonly SpoolEntry[], cache: ByteCache): Placed[] {
  return contents.lanes.flatMap((lane) => {
    const own = entries.filter((entry) => entry.lane === lane.lane);
    return runsOfChildren(own).flatMap((ofChild) =>
      splitIntoRecords(ofChild).map((group) =>
        placeRecord(lane, group, contents.shares.of(group[0]!.via), { streams: contents.streams, cache }),
      ),
    );
  });
}

/** Neighbours that came through the same child. All of a child together would be fewer records, and change the order. */
function runsOfChildren(entries: readonly SpoolEntry[]): SpoolEntry[][] {
  const runs: SpoolEntry[][] = [];
  for (const entry of entries) {
    const last = runs.at(-1);
    if (last !== undefined && last[0]!.via === entry.via) last.push(entry);
    else runs.push([entry]);
  }
  return runs;
}

function placeRecord(
  lane: LaneState,
  entries: readonly SpoolEntry[],
  share: Share,
  { streams, cache }: { streams: Streams; cache: ByteCache },
): Placed {
  const number = lane.next++;
  const key = lane.recordKey(number);
  const value = encodeRecord(entries);
  const record = lane.newRecord(number, entries, share, streams);
  lane.append(record);
  lane.putInOrder(record);
  cache.add(key, value, value.length);
  return { lane, record, entries, ops: [{ type: 'put', key, value }, lane.metaOp()] };
}
