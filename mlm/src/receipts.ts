import {
  type Lane,
  RECEIPTS_PER_MESSAGE,
  type Tombstone,
  type TombstoneReason,
  writeReceipts,
} from '@backhaul/envelope';
import type { Removed } from '@backhaul/spool';
import { joinTombstones } from './forward/ranges.ts';
import type { Draft } from './own-messages.ts';

/** One receipt message for each lane (more only for very many tombstones), in the lane of what they replace [DESIGN §4.4]. */
export function receiptDrafts(tombstones: readonly Tombstone[]): Draft[] {
  const byLane = Map.groupBy(joinTombstones(tombstones), ({ lane }) => lane);
  return [...byLane].flatMap(([lane, ofLane]) => chunks(ofLane).map((chunk) => receiptDraft(lane, chunk)));
}

/** What left the spool without having been delivered. */
export function tombstonesOf(removed: readonly Removed[], at: string): Tombstone[] {
  return removed.map(({ entry, reason, code }) => ({
    source: entry.source,
    epoch: entry.epoch,
    lane: entry.lane as Lane,
    from: entry.sequence,
    to: entry.sequence,
    reason: reason satisfies TombstoneReason,
    ...(code === undefined ? {} : { rule: code }),
    at,
  }));
}

function receiptDraft(lane: Lane, tombstones: readonly Tombstone[]): Draft {
  return {
    lane,
    classification: 'infrastructure-administration',
    class: 'infrastructure',
    subclass: 'receipt',
    content: writeReceipts(tombstones),
  };
}

function chunks<T>(list: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < list.length; at += RECEIPTS_PER_MESSAGE) parts.push(list.slice(at, at + RECEIPTS_PER_MESSAGE));
  return parts;
}
