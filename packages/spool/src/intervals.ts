/** Whole numbers as sorted, disjoint, non-adjacent closed intervals. Never changed in place. */
export type Intervals = readonly (readonly [from: number, to: number])[];

export function contains(intervals: Intervals, number: number): boolean {
  const at = firstEndingAtOrAfter(intervals, number);
  return at < intervals.length && intervals[at]![0] <= number;
}

/** With from–to added; touching neighbours become one. */
export function add(intervals: Intervals, from: number, to: number): Intervals {
  const start = firstEndingAtOrAfter(intervals, from - 1);
  let end = start;
  while (end < intervals.length && intervals[end]![0] <= to + 1) end += 1;
  const merged: [number, number] =
    end > start ? [Math.min(from, intervals[start]![0]), Math.max(to, intervals[end - 1]![1])] : [from, to];
  return [...intervals.slice(0, start), merged, ...intervals.slice(end)];
}

/** Everything from 1 up to this number is there; 0 when 1 is missing. */
export function contiguous(intervals: Intervals): number {
  const first = intervals[0];
  return first !== undefined && first[0] <= 1 ? first[1] : 0;
}

/** 0 when there is none. */
export function highest(intervals: Intervals): number {
  return intervals.at(-1)?.[1] ?? 0;
}

/** Index of the first interval whose end is ≥ number. */
function firstEndingAtOrAfter(intervals: Intervals, number: number): number {
  let low = 0;
  let high = intervals.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (intervals[middle]![1] < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
