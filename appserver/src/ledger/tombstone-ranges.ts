import { TOMBSTONE_REASONS, type TombstoneReason } from '@backhaul/envelope';
import { type Interval, type Intervals, intersect, subtract } from '../receiver/intervals.ts';
import type { MissingRange } from './whereabouts.ts';

/** `duplicate` is said here only, never in a receipt: the same event was told before, by the message `aggregate`. */
export const LEDGER_REASONS = [...TOMBSTONE_REASONS, 'duplicate'] as const;
export type LedgerReason = TombstoneReason | 'duplicate';

/** Why a range of sequences was not delivered as it was sent. */
export interface Fate {
  readonly reason: LedgerReason;
  readonly rule: string | null;
  readonly aggregate: string | null;
  readonly at: string;
}

export interface TombstoneRange extends Interval, Fate {}

/** What a receipt changes: ranges that go and ranges that come (the rest of a cut range comes again). */
export interface TombstoneChange {
  readonly removed: readonly TombstoneRange[];
  readonly added: readonly TombstoneRange[];
}

/** `held` is a promise, not an end: whatever else is said of the sequence replaces it. */
const isFinal = (range: TombstoneRange): boolean => range.reason !== 'held';

/**
 * Takes a receipt into the ranges known so far. Invariants, per sequence:
 * - L1 delivered wins: what has arrived itself (in `seen`, under no range) is never covered by a receipt
 * - L2 the first final receipt stays; `held` gives way to any other
 * - L3 ranges do not overlap
 */
export function bury(known: readonly TombstoneRange[], seen: Intervals, receipt: TombstoneRange): TombstoneChange {
  const touched = sorted(known.filter(({ first, last }) => first <= receipt.last && last >= receipt.first));
  const delivered = subtract(intersect(seen, receipt), touched);
  const final = touched.filter(isFinal);
  const held = touched.filter((range) => !isFinal(range));
  const pieces = subtract(subtract([receipt], sorted(delivered)), sorted(final));
  const covered = sorted(pieces);
  const rests = held.flatMap((range) => subtract([range], covered).map((rest) => ({ ...range, ...rest })));
  return { removed: held, added: [...rests, ...pieces.map((piece) => ({ ...receipt, ...piece }))] };
}

/** A message has arrived although a receipt stood in its place: the range around it is cut [L1]. */
export function unbury(known: readonly TombstoneRange[], sequence: number): TombstoneChange {
  const removed = known.filter(({ first, last }) => first <= sequence && sequence <= last);
  const hole = [{ first: sequence, last: sequence }];
  return { removed, added: removed.flatMap((range) => subtract([range], hole).map((rest) => ({ ...range, ...rest }))) };
}

const sorted = <T extends Interval>(list: readonly T[]): readonly T[] => list.toSorted((a, b) => a.first - b.first);

/** The account of one stream: every sequence up to the highest known is in exactly one line. */
export interface Account {
  readonly highest: number;
  readonly delivered: Intervals;
  readonly explained: readonly TombstoneRange[];
  /** neither arrived nor explained: still on its way, or lost */
  readonly missing: readonly MissingRange[];
}

/** An interval of what has been seen; the gap before it has been known since `at`. */
export interface SeenInterval extends Interval {
  /** wall ms */
  readonly at: number;
}

/** `given`: how far the source itself says it has come, and since when that is known here. */
export function account(
  seen: readonly SeenInterval[],
  tombstones: readonly TombstoneRange[],
  given?: { readonly last: number; readonly at: number },
): Account {
  const arrived = seen.at(-1)?.last ?? 0;
  const highest = Math.max(arrived, given?.last ?? 0);
  const explained = tombstones.toSorted((a, b) => a.first - b.first);
  const gaps = seen.map(({ first, at }, index) => ({
    first: (seen[index - 1]?.last ?? 0) + 1,
    last: first - 1,
    since: at,
  }));
  const tail = { first: arrived + 1, last: highest, since: given?.at ?? 0 };
  return {
    highest,
    delivered: subtract(seen, explained),
    explained,
    missing: [...gaps, tail].filter(({ first, last }) => first <= last),
  };
}
