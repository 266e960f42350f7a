import type { Slot } from './eviction.ts';
import { FREE, type LaneRecord, LEAVING } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import type { SpoolEntry } from './types.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** What is past its time and not in flight, of as many records as it takes to reach the limit. */
export function expiredSlots(
  lane: LaneState,
  now: number,
  limit: number,
  read: (record: LaneRecord) => readonly SpoolEntry[],
): Slot[] {
  const slots: Slot[] = [];
  const opened: LaneRecord[] = [];
  while (slots.length < limit && (lane.expiries.peek()?.at ?? NEVER) <= now) {
    const { value: record } = lane.expiries.pop()!;
    if (record.live === 0) continue;
    if (record.isWritten) slots.push(...expiredOf(lane, record, now, read(record)));
    opened.push(record);
  }
  for (const record of opened) if (record.firstExpiry !== NEVER) lane.expiries.push(record.firstExpiry, record);
  return slots;
}

/** A record that gives nothing is not looked at again before its next entry expires. */
function expiredOf(lane: LaneState, record: LaneRecord, now: number, entries: readonly SpoolEntry[]): Slot[] {
  const slots: Slot[] = [];
  let first = NEVER;
  for (const [index, entry] of entries.entries()) {
    const expiresAt = entry.expiresAt ?? NEVER;
    if (record.stateOf(index) === FREE && expiresAt <= now) slots.push({ lane, record, index, entry });
    else if (record.stateOf(index) < LEAVING) first = Math.min(first, expiresAt);
  }
  if (slots.length === 0) record.firstExpiry = first;
  return slots;
}
