/** Whole numbers `first`..`last`, both included. */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

/**
 * A set of sequences as sorted intervals that neither overlap nor touch. Values are never changed, only replaced, so that
 * a transaction that is undone leaves the old ones in place.
 */
export type Intervals = readonly Interval[];

/** Index of the first interval whose `last` is at or above `value`. */
export function lowerBound(set: Intervals, value: number): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (set[middle]!.last < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function has(set: Intervals, value: number): boolean {
  const at = set[lowerBound(set, value)];
  return at !== undefined && at.first <= value;
}

/** What changes when an interval is added: the intervals that go, and the one that takes their place. */
export interface Addition {
  readonly set: Intervals;
  readonly removed: readonly Interval[];
  readonly added: Interval;
}

export function add(set: Intervals, { first, last }: Interval): Addition {
  const from = lowerBound(set, first - 1);
  let to = from;
  while (to < set.length && set[to]!.first <= last + 1) to++;
  const removed = set.slice(from, to);
  const added = {
    first: Math.min(first, removed[0]?.first ?? first),
    last: Math.max(last, removed.at(-1)?.last ?? last),
  };
  return { set: [...set.slice(0, from), added, ...set.slice(to)], removed, added };
}

/** The part of `whole` that lies in none of `holes` (sorted). */
export function subtract(whole: Intervals, holes: Intervals): Interval[] {
  return whole.flatMap((interval) => cut(interval, holes));
}

function cut({ first, last }: Interval, holes: Intervals): Interval[] {
  const rest: Interval[] = [];
  let next = first;
  for (let i = lowerBound(holes, first); i < holes.length && holes[i]!.first <= last; i++) {
    const hole = holes[i]!;
    if (hole.first > next) rest.push({ first: next, last: hole.first - 1 });
    next = Math.max(next, hole.last + 1);
  }
  if (next <= last) rest.push({ first: next, last });
  return rest;
}

export function intersect(set: Intervals, { first, last }: Interval): Interval[] {
  const common: Interval[] = [];
  for (let i = lowerBound(set, first); i < set.length && set[i]!.first <= last; i++) {
    common.push({ first: Math.max(first, set[i]!.first), last: Math.min(last, set[i]!.last) });
  }
  return common;
}

/** Everything from 1 up to this is in the set; 0 when 1 is missing. */
export function through(set: Intervals): number {
  const lowest = set[0];
  return lowest?.first === 1 ? lowest.last : 0;
}

/** 0 when there is none. */
export const highest = (set: Intervals): number => set.at(-1)?.last ?? 0;

export const size = (set: Intervals): number => set.reduce((sum, { first, last }) => sum + last - first + 1, 0);

/** Any list of intervals as a proper set. */
export function normalise(list: readonly Interval[]): Intervals {
  return list.reduce<Intervals>((set, interval) => add(set, interval).set, []);
}
