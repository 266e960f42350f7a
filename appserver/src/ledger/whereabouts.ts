import { type Interval, lowerBound } from '../receiver/intervals.ts';

/** Sequences that a component said it held, in a report that is recent enough to count. */
export interface HeldRange extends Interval {
  readonly component: string;
  /** so many of them, which ones is not said */
  readonly messages: number;
}

/** When a component on the way of the source told last what it holds: wall ms here at which it was made. */
export interface ToldAt {
  readonly component: string;
  /** undefined: it has never told, or could not tell all of it */
  readonly at: number | undefined;
}

export interface MissingRange extends Interval {
  /** wall ms here since when it is known that these sequences were given */
  readonly since: number;
}

export interface Surroundings {
  /** nearest to this application server first */
  readonly held: readonly HeldRange[];
  /** from the source up to our direct child */
  readonly path: readonly ToldAt[];
  readonly graceMs: number;
  readonly now: number;
}

/** `at`: that component holds it. `below`: on its way at or below that component, none has told. Neither: nobody has it. */
export interface Whereabouts extends Interval {
  readonly fate: 'in-flight' | 'unexplained';
  readonly at?: string;
  readonly below?: string;
}

/**
 * Where a sequence is that was given and has neither arrived nor a receipt. A hop keeps what it has until the next one has
 * it too, so at every moment somebody holds whatever is not lost; but reports are made one after the other, and a message
 * that moves may be in none of them. It is called lost (`unexplained`) only when all of this holds, for a whole grace time
 * in which every hop has told several times:
 * - it has been known for longer than the grace time that the sequence was given (a later one of its lane has arrived, or
 *   the source has said so)
 * - every component on its way has told what it holds after that grace time was over, in full
 * - none of the reports made within the grace time named it
 * A component that is silent or cut off thus never makes a loss of what it holds, and a loss shows as soon as all have told.
 * Reports say how many messages of a range are held, not which: numbers are counted right, and named lowest first.
 */
export function whereabouts(missing: readonly MissingRange[], around: Surroundings): Whereabouts[] {
  const rest = [...missing];
  const found = around.held.flatMap((range) =>
    takeFrom(rest, range).map((piece): Whereabouts => ({ ...piece, fate: 'in-flight', at: range.component })),
  );
  return [...found, ...rest.map((range) => judge(range, around))].toSorted((a, b) => a.first - b.first);
}

function judge({ first, last, since }: MissingRange, { path, graceMs, now }: Surroundings): Whereabouts {
  const over = since + graceMs;
  const silent = path.findLast(({ at }) => at === undefined || at < over);
  const below = now < over ? path.at(-1) : silent;
  return below ? { first, last, fate: 'in-flight', below: below.component } : { first, last, fate: 'unexplained' };
}

/**
 * Cuts out of `rest` (sorted) what lies in the range: at most so many numbers, the lowest. In place, and never a walk over
 * all of it: reports may hold tens of thousands of ranges [T-A35].
 */
function takeFrom(rest: MissingRange[], { first, last, messages }: HeldRange): Interval[] {
  const taken: Interval[] = [];
  let left = messages;
  for (let at = lowerBound(rest, first); left > 0 && at < rest.length && rest[at]!.first <= last; ) {
    const whole = rest[at]!;
    const from = Math.max(first, whole.first);
    const to = Math.min(last, whole.last, from + left - 1);
    const before = { ...whole, last: from - 1 };
    const after = { ...whole, first: to + 1 };
    rest.splice(at, 1, ...[before, after].filter((piece) => piece.first <= piece.last));
    if (whole.first < from) at++;
    left -= to - from + 1;
    taken.push({ first: from, last: to });
  }
  return taken;
}
