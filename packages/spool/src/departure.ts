import type { ByteCache } from './byte-cache.ts';
import { IN_FLIGHT, LEAVING } from './entry-columns.ts';
import type { Slot } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { entryBytes } from './record.ts';
import { type Change, type Op, stagedChange } from './store.ts';

/**
 * Entries leave their records: marked when the change is submitted, gone when it is on disk. What has been claimed meanwhile
 * (`fromFlight` false) or is leaving already stays as it is.
 */
export function depart(
  slots: readonly Slot[],
  fromFlight: boolean,
  cache: ByteCache,
  onSubmitted: (slot: Slot) => void,
): Change {
  let leaving: Slot[] = [];
  const submit = (): Op[] => {
    leaving = slots.filter(({ record, index }) => {
      const state = record.stateOf(index);
      return state < LEAVING && (fromFlight || state !== IN_FLIGHT);
    });
    for (const slot of leaving) {
      slot.record.setLeaving(slot.index);
      onSubmitted(slot);
    }
    return departureOps(leaving);
  };
  return stagedChange(submit, () => {
    for (const slot of leaving) removeFromMemory(slot, fromFlight);
    for (const [record, lane] of recordsOf(leaving)) if (record.live === 0) cache.delete(lane.recordKey(record.number));
  });
}

function departureOps(slots: readonly Slot[]): Op[] {
  const records = recordsOf(slots);
  const lanes = new Set(records.values());
  return [
    ...[...records].flatMap(([record, lane]) => lane.leftOps(record)),
    ...[...lanes].flatMap((lane) => lane.advanceOps()),
  ];
}

function recordsOf(slots: readonly Slot[]): Map<LaneRecord, LaneState> {
  const records = new Map<LaneRecord, LaneState>();
  for (const { record, lane } of slots) records.set(record, lane);
  return records;
}

function removeFromMemory({ lane, record, index, entry }: Slot, fromFlight: boolean): void {
  const bytes = entryBytes(entry);
  record.setGone(index);
  lane.messages -= 1;
  lane.bytes -= bytes;
  if (fromFlight) lane.inFlight -= 1;
}
