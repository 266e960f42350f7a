import type { Lane, MessageIdentity, Tombstone } from '@backhaul/envelope';

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

/** Tombstones of one reason, rule and aggregate that follow one another become one. The order otherwise stays. */
export function joinTombstones(tombstones: readonly Tombstone[]): Tombstone[] {
  const joined: Tombstone[] = [];
  for (const next of tombstones) {
    const last = joined.at(-1);
    const follows =
      last !== undefined &&
      last.to + 1 === next.from &&
      samePlace(last, next) &&
      last.reason === next.reason &&
      last.rule === next.rule &&
      last.aggregate === next.aggregate &&
      last.at === next.at;
    if (follows) joined[joined.length - 1] = { ...last, to: next.to };
    else joined.push(next);
  }
  return joined;
}
