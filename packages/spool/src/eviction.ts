import { FREE, type LaneRecord } from './lane-record.ts';
import type { LaneState } from './lane-state.ts';
import { entryBytes } from './record.ts';
import type { Lane, SpoolEntry } from './types.ts';

/** One entry in its record. */
export interface Slot {
  readonly lane: LaneState;
  readonly record: LaneRecord;
  readonly index: number;
  readonly entry: SpoolEntry;
}

/** What decides who goes first: a higher lane number, then a nearer expiry, then not persistent [DESIGN §4.7]. */
export interface Rank {
  readonly lane: Lane;
  /** infinite when it never expires */
  readonly expiresAt: number;
  readonly persistent: boolean;
}

const EMERGENCY = 0;
const NEVER = Number.POSITIVE_INFINITY;

export function rankOf(entry: SpoolEntry): Rank {
  return { lane: entry.lane, expiresAt: entry.expiresAt ?? NEVER, persistent: entry.persistent };
}

export function leastRank(entries: readonly SpoolEntry[]): Rank {
  return entries.map(rankOf).reduce((least, rank) => (isBelow(rank, least) ? rank : least));
}

/** True when `a` has to go before `b`. Equals stay where they are. */
export function isBelow(a: Rank, b: Rank): boolean {
  if (a.lane !== b.lane) return a.lane > b.lane;
  if (a.expiresAt !== b.expiresAt) return a.expiresAt < b.expiresAt;
  return !a.persistent && b.persistent;
}

/**
 * Free entries that rank below the newcomer, least first, until messages and bytes are enough; undefined when they are not.
 * Emergency is never chosen, nor what is in flight. Changes nothing but the order of the expiry heaps.
 */
export function chooseVictims(
  lanes: readonly LaneState[],
  newcomer: Rank,
  need: { messages: number; bytes: number },
  read: (record: LaneRecord, lane: LaneState) => readonly SpoolEntry[],
): Slot[] | undefined {
  const victims: Slot[] = [];
  let { messages, bytes } = need;
  for (const lane of lanes.toReversed()) {
    if (lane.lane < newcomer.lane || lane.lane === EMERGENCY) break;
    for (const slot of candidates(lane, (record) => read(record, lane))) {
      if (!isBelow(rankOf(slot.entry), newcomer)) break;
      victims.push(slot);
      messages -= 1;
      bytes -= entryBytes(slot.entry);
      if (messages <= 0 && bytes <= 0) return victims;
    }
  }
  return undefined;
}

type Read = (record: LaneRecord) => readonly SpoolEntry[];

/** Free entries of a lane, the least first: by expiry, then what never expires, the unprotected before the persistent, oldest first. */
function* candidates(lane: LaneState, read: Read): Generator<Slot> {
  yield* expiring(lane, read);
  for (const persistent of [false, true]) {
    for (const record of lane.records()) {
      if (record.free === 0 || !record.isWritten) continue;
      for (const slot of freeSlots(lane, record, read)) {
        if (slot.entry.expiresAt === undefined && slot.entry.persistent === persistent) yield slot;
      }
    }
  }
}

function* expiring(lane: LaneState, read: Read): Generator<Slot> {
  const opened: LaneRecord[] = [];
  let waiting: Slot[] = [];
  try {
    for (;;) {
      const top = lane.expiries.peek();
      const next = waiting[0];
      if (next !== undefined && (top === undefined || next.entry.expiresAt! < top.at)) {
        waiting.shift();
        yield next;
      } else if (top !== undefined) {
        const { value: record } = lane.expiries.pop()!;
        if (record.live === 0) continue;
        opened.push(record);
        waiting = [
          ...waiting,
          ...freeSlots(lane, record, read).filter(({ entry }) => entry.expiresAt !== undefined),
        ].sort(byExpiry);
      } else return;
    }
  } finally {
    for (const record of opened) lane.expiries.push(record.firstExpiry, record);
  }
}

function freeSlots(lane: LaneState, record: LaneRecord, read: Read): Slot[] {
  if (!record.isWritten) return [];
  return read(record).flatMap((entry, index) =>
    record.stateOf(index) === FREE ? [{ lane, record, index, entry }] : [],
  );
}

function byExpiry(a: Slot, b: Slot): number {
  const nearer = a.entry.expiresAt! - b.entry.expiresAt!;
  return nearer !== 0 ? nearer : Number(a.entry.persistent) - Number(b.entry.persistent);
}
