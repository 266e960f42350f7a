import { numberKey, numberOf, parseJson } from './keys.ts';
import { hasLeft } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { decodeRecord } from './record.ts';
import type { SpoolContents } from './spool-contents.ts';
import type { Store } from './store.ts';

export interface LaneReport {
  records: number;
  messages: number;
  gaps: string[];
}

/** Reads a lane from its head on: every checksum, and every number from head to next [S7]. */
export async function loadLane(
  store: Store,
  lane: LaneState,
  contents: SpoolContents,
  report: LaneReport,
): Promise<void> {
  const stored = await store.get(lane.metaKey);
  const meta = stored === undefined ? undefined : parseJson<{ head: number; next: number }>(stored);
  const left = await loadBits(store, lane);
  let expected = meta?.head;
  const after = meta === undefined ? {} : { after: lane.recordKey(meta.head - 1) };
  for await (const [key, value] of store.scan(lane.recordPrefix, after)) {
    const number = numberOf(key);
    if (expected !== undefined && number > expected) report.gaps.push(gap(lane, expected, number - 1));
    lane.head = expected === undefined ? number : lane.head;
    expected = number + 1;
    if (value.length > 0) addRecord(lane, { number, value, left: left.get(number) }, contents, report);
  }
  if (meta === undefined && expected !== undefined) report.gaps.push(lane.metaKey);
  if (meta !== undefined) {
    lane.head = meta.head;
    if (expected! < meta.next) report.gaps.push(gap(lane, expected!, meta.next - 1));
  }
  lane.next = Math.max(meta?.next ?? 1, expected ?? 1);
}

async function loadBits(store: Store, lane: LaneState): Promise<Map<number, Uint8Array>> {
  const bits = new Map<number, Uint8Array>();
  for await (const [key, value] of store.scan(lane.bitsPrefix)) bits.set(numberOf(key), value);
  return bits;
}

function addRecord(
  lane: LaneState,
  { number, value, left }: { number: number; value: Uint8Array; left: Uint8Array | undefined },
  contents: SpoolContents,
  report: LaneReport,
): void {
  const entries = decodeRecord(lane.lane, value);
  const record = lane.newRecord(number, entries, contents.shares.of(entries[0]?.via), contents.streams);
  contents.enter([{ lane, record, entries, ops: [] }]);
  for (const [index, entry] of entries.entries()) {
    if (left === undefined || !hasLeft(left, index)) continue;
    record.setLeaving(index);
    contents.leave({ lane, record, index, entry });
    record.setGone(index);
  }
  if (record.live === 0) return;
  lane.append(record);
  lane.show(record);
  report.records += 1;
  report.messages += record.live;
}

function gap(lane: LaneState, from: number, to: number): string {
  return from === to ? lane.recordKey(from) : `${lane.recordKey(from)}..${numberKey(to)}`;
}
