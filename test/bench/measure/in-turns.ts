export interface Pair<T = number> {
  readonly ours: T;
  readonly theirs: T;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Ours, theirs, ours, theirs …: what the machine does meanwhile meets both. */
export async function inTurns<T = number>(
  count: number,
  ours: () => Promise<T>,
  theirs: () => Promise<T>,
  told: (pair: Pair<T>, number: number) => void = () => {},
): Promise<Pair<T>[]> {
  const pairs: Pair<T>[] = [];
  for (let n = 1; n <= count; n += 1) {
    const pair = { ours: await ours(), theirs: await theirs() };
    pairs.push(pair);
    told(pair, n);
  }
  return pairs;
}

/** Ours over theirs, of each pair. */
export function ratios(pairs: readonly Pair[]): number[] {
  return pairs.map(({ ours, theirs }) => ours / theirs);
}

/** Throws on an empty list. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0) throw new Error('nothing was measured');
  return { min: sorted[0]!, median: quantile(sorted, 0.5), max: sorted.at(-1)! };
}

/** Of sorted values, interpolated. */
export function quantile(sorted: readonly number[], at: number): number {
  const place = (sorted.length - 1) * at;
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (place - low);
}
