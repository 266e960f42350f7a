import { NEVER } from './entry-columns.ts';
import type { EvictionOrder, Place } from './eviction-order.ts';
import type { LaneState } from './lane-state.ts';
import type { Lane, SpoolEntry } from './types.ts';

/** An entry of a lane, unread. */
export interface LanePlace extends Place {
  readonly lane: LaneState;
}

/** One entry in its record, read. */
export interface Slot extends LanePlace {
  readonly entry: SpoolEntry;
}

/** What decides who goes first: a higher lane number, then a nearer expiry, then not persistent [DESIGN §4.7]. */
export interface Rank {
  readonly lane: Lane;
  /** infinite when it never expires */
  readonly expiresAt: number;
  readonly persistent: boolean;
}

export interface Need {
  readonly messages: number;
  readonly bytes: number;
}

const EMERGENCY = 0;

export function leastRank(entries: readonly SpoolEntry[]): Rank {
  const ranks = entries.map(({ lane, expiresAt = NEVER, persistent }) => ({ lane, expiresAt, persistent }));
  return ranks.reduce((least, rank) => (isBelow(rank, least) ? rank : least));
}

/** True when `a` has to go before `b`. Equals stay where they are. */
export function isBelow(a: Rank, b: Rank): boolean {
  if (a.lane !== b.lane) return a.lane > b.lane;
  if (a.expiresAt !== b.expiresAt) return a.expiresAt < b.expiresAt;
  return !a.persistent && b.persistent;
}

/**
 * Free entries that rank below the newcomer, least first, until messages and bytes are enough; undefined when they are not.
 * Emergency is never chosen, nor a receipt, nor what is in flight, nor what leaves anyway. Nothing is read.
 */
export function chooseVictims(
  orders: readonly { readonly lane: LaneState; readonly order: EvictionOrder }[],
  newcomer: Rank,
  need: Need,
  leaving: ReadonlySet<string>,
): LanePlace[] | undefined {
  const victims: LanePlace[] = [];
  let { messages, bytes } = need;
  if (messages <= 0 && bytes <= 0) return victims;
  for (const { lane, order } of orders.toSorted((a, b) => b.lane.lane - a.lane.lane)) {
    if (lane.lane < newcomer.lane || lane.lane === EMERGENCY) break;
    for (const { record, index } of order.candidates()) {
      if (!isBelow(rankAt(lane, { record, index }), newcomer)) break;
      const place = { lane, record, index };
      if (leaving.has(nameOfPlace(place))) continue;
      victims.push(place);
      messages -= 1;
      bytes -= bytesAt(place);
      if (messages <= 0 && bytes <= 0) return victims;
    }
  }
  return undefined;
}

export function bytesAt({ record, index }: Place): number {
  return record.columns.bytesOf(record.first + index);
}

export function nameOfPlace({ lane, record, index }: LanePlace): string {
  return `${lane.lane} ${record.number} ${index}`;
}

function rankAt(lane: LaneState, { record, index }: Place): Rank {
  const at = record.first + index;
  const { columns } = record;
  return { lane: lane.lane, expiresAt: columns.expiresAt(at), persistent: columns.isPersistent(at) };
}
