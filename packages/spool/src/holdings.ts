import type { LaneState } from './lane-state.ts';
import type { Streams } from './streams.ts';
import type { Holdings, HoldingsRange, Lane } from './types.ts';

/** Sequences of one stream and lane; `messages` of them are held. */
interface Run {
  from: number;
  to: number;
  messages: number;
}

/** Runs are noted up to so many for each range that may be told: what came out of order joins others in the end. */
const RUNS_PER_RANGE = 4;

/**
 * What is held, as ranges of sequences of each source, epoch and lane. Ranges are exact (`messages` = to − from + 1) while there are
 * no more than `limit`; beyond it each stream becomes one range with holes in it; beyond that too, the rest is left out.
 */
export function holdingsOf(lanes: readonly LaneState[], streams: Streams, limit: number): Holdings {
  const held = lanes.map((lane) => noteHeld(lane, limit * RUNS_PER_RANGE));
  const ranges = (runsOf: (stream: StreamRuns) => readonly Run[]): HoldingsRange[] =>
    held.flatMap((ofLane, at) =>
      [...ofLane.streams].flatMap(([stream, runs]) =>
        runsOf(runs).map((run) => ({ ...streams.get(stream), lane: lanes[at]!.lane as Lane, ...run })),
      ),
    );
  if (held.every(({ isExact }) => isExact)) {
    const exact = ranges(({ runs }) => joined(runs));
    if (exact.length <= limit) return { ranges: exact, truncated: false };
  }
  const hulls = ranges(({ hull }) => [hull]);
  return { ranges: hulls.slice(0, limit), truncated: hulls.length > limit };
}

interface StreamRuns {
  readonly runs: Run[];
  readonly hull: Run;
}

/** Neighbours in the lane are mostly neighbours in their stream. Not exact any more once there are too many runs. */
function noteHeld(lane: LaneState, maxRuns: number): { streams: ReadonlyMap<number, StreamRuns>; isExact: boolean } {
  const streams = new Map<number, StreamRuns>();
  let count = 0;
  let current = -1;
  let noted: StreamRuns | undefined;
  let last: Run | undefined;
  lane.visitHeld((stream, sequence) => {
    if (stream !== current || noted === undefined) {
      current = stream;
      noted = streams.get(stream) ?? { runs: [], hull: { from: sequence, to: sequence, messages: 0 } };
      streams.set(stream, noted);
      last = noted.runs.at(-1);
    }
    const { hull, runs } = noted;
    hull.from = Math.min(hull.from, sequence);
    hull.to = Math.max(hull.to, sequence);
    hull.messages += 1;
    if (last !== undefined && last.to + 1 === sequence) {
      last.to = sequence;
      last.messages += 1;
    } else if (count < maxRuns) {
      count += 1;
      last = { from: sequence, to: sequence, messages: 1 };
      runs.push(last);
    } else {
      count = Number.POSITIVE_INFINITY;
      last = undefined;
    }
  });
  return { streams, isExact: count <= maxRuns };
}

/** In order of sequence; what touches becomes one. */
function joined(runs: readonly Run[]): Run[] {
  const ranges: Run[] = [];
  for (const run of runs.toSorted((a, b) => a.from - b.from)) {
    const last = ranges.at(-1);
    if (last === undefined || run.from > last.to + 1) ranges.push({ ...run });
    else {
      const again = Math.max(0, Math.min(last.to, run.to) - run.from + 1);
      last.messages += run.messages - again;
      last.to = Math.max(last.to, run.to);
    }
  }
  return ranges;
}
