import {
  describeClass,
  type Lane,
  RECEIPTS_PER_MESSAGE,
  type Tombstone,
  writeContent,
  writeReceipts,
} from '@backhaul/envelope';
import type { Removed } from '@backhaul/spool';
import type { Draft } from './outbox.ts';

const CLASS = 'infrastructure';
const SUBCLASS = 'receipt';

/**
 * Receipts for what left the spool undelivered, in the lane of what they replace, neighbours of one reason as one range. A
 * receipt that its parent refused for good gets none: telling of it would be refused again, for ever; the log has it.
 */
export function receiptDrafts(removed: readonly Removed[], at: string): Draft[] {
  const told = removed.filter(
    ({ entry, reason }) => !(reason === 'dead-letter' && entry.class === CLASS && entry.subclass === SUBCLASS),
  );
  const lanes = Map.groupBy(tombstonesOf(told, at), ({ lane }) => lane);
  return [...lanes].flatMap(([lane, tombstones]) =>
    chunks(tombstones, RECEIPTS_PER_MESSAGE).map((part) => draft(lane, part)),
  );
}

/** Ranges: consecutive sequences of one source, epoch and lane that left for the same reason. */
export function tombstonesOf(removed: readonly Removed[], at: string): Tombstone[] {
  const sorted = removed.map((one) => tombstone(one, at)).toSorted(bySequence);
  const ranges: Tombstone[] = [];
  for (const next of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && follows(last, next)) ranges[ranges.length - 1] = { ...last, to: next.to };
    else ranges.push(next);
  }
  return ranges;
}

function tombstone({ entry, reason, code }: Removed, at: string): Tombstone {
  const { source, epoch, lane, sequence } = entry;
  return {
    source,
    epoch,
    lane: lane as Lane,
    from: sequence,
    to: sequence,
    reason,
    at,
    ...(code === undefined ? {} : { rule: code }),
  };
}

const groupOf = ({ source, epoch, lane, reason, rule }: Tombstone) =>
  `${source} ${epoch} ${lane} ${reason} ${rule ?? ''}`;

function bySequence(a: Tombstone, b: Tombstone): number {
  const [groupA, groupB] = [groupOf(a), groupOf(b)];
  if (groupA !== groupB) return groupA < groupB ? -1 : 1;
  return a.from - b.from;
}

function follows(last: Tombstone, next: Tombstone): boolean {
  return groupOf(last) === groupOf(next) && next.from === last.to + 1;
}

function draft(lane: Lane, tombstones: readonly Tombstone[]): Draft {
  const content = writeReceipts(tombstones);
  const { classification, contentType } = describeClass(CLASS, SUBCLASS, content);
  return {
    class: CLASS,
    subclass: SUBCLASS,
    classification,
    contentType,
    lane,
    body: writeContent(content),
    persistent: true,
  };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
}
