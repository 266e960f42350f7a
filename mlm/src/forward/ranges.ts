import type { Lane, MessageIdentity } from '@backhaul/envelope';

/** What has been seen, from one sequence to another, both included. */
export interface SeenRange {
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
}

type Place = Pick<SeenRange, 'source' | 'epoch' | 'lane'>;

function samePlace(a: Place, b: Place): boolean {
  return a.lane === b.lane && a.source === b.source && a.epoch === b.epoch;
}

/** Identities as ranges: neighbours in the list that follow one another in sequence become one. */
export function rangesOf(identities: readonly MessageIdentity[]): SeenRange[] {
  const ranges: { source: string; epoch: string; lane: Lane; from: number; to: number }[] = [];
  for (const { source, epoch, lane, sequence } of identities) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to + 1 === sequence && samePlace(last, { source, epoch, lane })) last.to = sequence;
    else ranges.push({ source, epoch, lane, from: sequence, to: sequence });
  }
  return ranges;
}
