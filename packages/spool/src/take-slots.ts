import { FREE } from './entry-columns.ts';
import { bytesAt, type Slot } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import type { SpoolEntry } from './types.ts';

/** What is past its time and was not taken out yet is looked at again after this long. */
const EXPIRED_WAIT_MS = 60_000;

/**
 * Marks entries of one lane as in flight, from its head on, until the budget is used; the first one always, however large. What is
 * past its time is left for `expire`.
 */
export async function takeSlots(
  lane: LaneState,
  budget: { maxMessages: number; maxBytes: number },
  now: number,
  read: (record: LaneRecord) => Promise<readonly SpoolEntry[]>,
): Promise<Slot[]> {
  const slots: Slot[] = [];
  let bytes = 0;
  try {
    for (const record of lane.records()) {
      if (!record.isWritten || slots.length >= budget.maxMessages) break;
      if (!record.isClaimable(now) || !hasDue(record, now)) continue;
      for (const [index, entry] of (await read(record)).entries()) {
        if (!isDue(record, index, now)) continue;
        bytes += bytesAt({ record, index });
        if (slots.length > 0 && (slots.length >= budget.maxMessages || bytes > budget.maxBytes)) return slots;
        record.setInFlight(index);
        lane.inFlight += 1;
        slots.push({ lane, record, index, entry });
      }
    }
    return slots;
  } catch (error) {
    for (const slot of slots) slot.record.setFree(slot.index);
    lane.inFlight -= slots.length;
    throw error;
  }
}

function hasDue(record: LaneRecord, now: number): boolean {
  for (let index = 0; index < record.count; index += 1) if (isDue(record, index, now)) return true;
  return false;
}

function isDue(record: LaneRecord, index: number, now: number): boolean {
  if (record.stateOf(index) !== FREE || record.isWaiting(index, now)) return false;
  if (record.columns.expiresAt(record.first + index) > now) return true;
  record.setWait(index, now + EXPIRED_WAIT_MS);
  return false;
}
