import { FREE } from './entry-columns.ts';
import { bytesAt, type Slot } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import type { SpoolEntry } from './types.ts';

/** What is past its time and was not taken out yet is looked at again after this long. */
const EXPIRED_WAIT_MS = 60_000;

export interface Taking {
  readonly budget: { readonly maxMessages: number; readonly maxBytes: number };
  readonly now: number;
  readonly read: (record: LaneRecord) => Promise<readonly SpoolEntry[]>;
  /** entries of these streams only, which need not wait; without it all that is due */
  readonly isWanted?: (stream: number) => boolean;
}

/**
 * Marks entries of one lane as in flight, from its head on, until the budget is used; the first one always, however large. What is
 * past its time is left for `expire`.
 */
export async function takeSlots(lane: LaneState, { budget, now, read, isWanted }: Taking): Promise<Slot[]> {
  const mayTake = isWanted
    ? (record: LaneRecord, index: number): boolean => isOf(record, index, now, isWanted)
    : (record: LaneRecord, index: number): boolean => isDue(record, index, now);
  const slots: Slot[] = [];
  let bytes = 0;
  try {
    for (const record of lane.records()) {
      if (!record.isWritten || slots.length >= budget.maxMessages) break;
      if (!isWanted && !record.isClaimable(now)) continue;
      if (!hasAny(record, mayTake)) continue;
      for (const [index, entry] of (await read(record)).entries()) {
        if (!mayTake(record, index)) continue;
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

function hasAny(record: LaneRecord, mayTake: (record: LaneRecord, index: number) => boolean): boolean {
  for (let index = 0; index < record.count; index += 1) if (mayTake(record, index)) return true;
  return false;
}

function isOf(record: LaneRecord, index: number, now: number, isWanted: (stream: number) => boolean): boolean {
  const { columns, first } = record;
  const isHere = record.stateOf(index) === FREE && columns.expiresAt(first + index) > now;
  return isHere && isWanted(columns.streamOf(first + index));
}

function isDue(record: LaneRecord, index: number, now: number): boolean {
  if (record.stateOf(index) !== FREE || record.isWaiting(index, now)) return false;
  if (record.columns.expiresAt(record.first + index) > now) return true;
  record.setWait(index, now + EXPIRED_WAIT_MS);
  return false;
}
