import { type Lane, RECEIPTS_PER_MESSAGE, type Tombstone, writeReceipts } from '@backhaul/envelope';
import type { Removed } from '@backhaul/spool';
import type { Draft } from './draft.ts';

const RECEIPT = { class: 'infrastructure', subclass: 'receipt' } as const;

/** One receipt message for each lane (more only for very many tombstones), in the lane of what they replace [DESIGN §4.4]. */
export function receiptDrafts(tombstones: readonly Tombstone[]): Draft[] {
  const byLane = Map.groupBy(joinTombstones(tombstones), ({ lane }) => lane);
  return [...byLane].flatMap(([lane, ofLane]) => chunks(ofLane).map((part) => receiptDraft(lane, part)));
}

/**
 * What left the spool of `self` undelivered, neighbours as ranges. Its own receipt that the parent refused for good is left
 * out: telling of it would be refused again, for ever; the log has it.
 */
export function tombstonesOf(removed: readonly Removed[], self: string): Tombstone[] {
  const told = removed.filter((one) => !isRefusedReceipt(one, self));
  return inOrder(told.map((one) => tombstone(one, self)));
}

/** Sorted, and neighbours as ranges. */
export function inOrder(tombstones: readonly Tombstone[]): Tombstone[] {
  return joinTombstones(tombstones.toSorted(byPlace));
}

function isRefusedReceipt({ entry, reason }: Removed, self: string): boolean {
  const { source, class: cls, subclass } = entry;
  return reason === 'dead-letter' && source === self && cls === RECEIPT.class && subclass === RECEIPT.subclass;
}

function tombstone({ entry, reason, code }: Removed, at: string): Tombstone {
  const { source, epoch, lane, sequence } = entry;
  return {
    ...{ source, epoch, lane: lane as Lane, from: sequence, to: sequence, reason, at },
    ...(code === undefined ? {} : { rule: code }),
  };
}

function groupOf({ source, epoch, lane, reason, rule, aggregate, at }: Tombstone): string {
  return `${source} ${epoch} ${lane} ${reason} ${rule ?? ''} ${aggregate ?? ''} ${at}`;
}

function byPlace(a: Tombstone, b: Tombstone): number {
  const [groupA, groupB] = [groupOf(a), groupOf(b)];
  if (groupA !== groupB) return groupA < groupB ? -1 : 1;
  return a.from - b.from;
}

/** Those of one group that follow one another in the list become one; the order otherwise stays. */
function joinTombstones(tombstones: readonly Tombstone[]): Tombstone[] {
  const ranges: Tombstone[] = [];
  for (const next of tombstones) {
    const last = ranges.at(-1);
    const follows = last !== undefined && last.to + 1 === next.from && groupOf(last) === groupOf(next);
    if (follows) ranges[ranges.length - 1] = { ...last, to: next.to };
    else ranges.push(next);
  }
  return ranges;
}

function receiptDraft(lane: Lane, tombstones: readonly Tombstone[]): Draft {
  return { ...RECEIPT, lane, classification: 'infrastructure-administration', content: writeReceipts(tombstones) };
}

function chunks<T>(list: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < list.length; at += RECEIPTS_PER_MESSAGE) parts.push(list.slice(at, at + RECEIPTS_PER_MESSAGE));
  return parts;
}
