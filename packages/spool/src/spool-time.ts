import type { Clock } from '@backhaul/runtime';
import { parseJson, putJson } from './keys.ts';
import type { Op } from './store.ts';

/** The time is written with a commit, at most this often; what passed after the last time belongs to the time off. */
const MARK_MS = 60_000;
/** After a start nothing that was held before expires for so long, unless the parent's clock has been heard. */
const PATIENCE_MS = 60_000;
/** A wall clock that runs apart by less than this is not told from one that runs along. */
const SLACK_MS = 1_000;
/** The parent's `Date` has whole seconds and took its time: an own clock that differs by less is believed. */
const CORRECTION_MS = 5_000;
/** Starts remembered while something of them is held; a record of an older one counts as of the oldest. */
const BOOTS_KEPT = 64;

/** Last sign of life of a run. */
interface Mark {
  /** on the axis of the run */
  readonly axis: number;
  /** what the wall clock said then */
  readonly wall: number;
  /** what the parent's clock said then, if it had been heard */
  readonly parent?: number;
}

/** One run of the process over this store. Times of its records are on its own axis. */
export interface Boot {
  /** axis at the start: what the wall clock said */
  readonly base: number;
  /** ms that this component was off before it */
  gap: number;
  /** number of the first record of each queue that was written in it */
  readonly first: Readonly<Record<string, number>>;
  mark: Mark;
}

/**
 * Time for expiry [DESIGN §4.6]. Within one run it is monotonic: a wall clock that is set, forwards or back, changes nothing. From one
 * run to the next it goes on by the difference of the wall clocks, never a negative one, corrected once by the clock of the parent.
 *
 * The axis of a run begins at the wall time of its start. Times of records are stored on the axis of the run that wrote them; which
 * run that was is known by the record's number, so that a correction needs no record to be written again.
 */
export class SpoolTime {
  readonly #clock: Clock;
  #boots: Boot[] = [];
  /** monotonic ms at the base of this run */
  #startedAt = 0;
  #parentAtBase: number | undefined;
  #isConfirmed = true;
  #markedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * `next`: number of the next record of each queue. `latestAt`: when the newest of the records from these numbers on was received,
   * as it is stored.
   */
  load(
    stored: Uint8Array | undefined,
    next: Readonly<Record<string, number>>,
    latestAt: (first: Readonly<Record<string, number>>) => number,
  ): void {
    this.#markedAt = Number.NEGATIVE_INFINITY;
    if (this.#boots.length > 0) return; // opened again within this run
    const earlier = stored === undefined ? [] : parseJson<Boot[]>(stored);
    const wall = this.#clock.now();
    this.#startedAt = this.#clock.monotonic();
    const last = earlier.at(-1);
    if (last !== undefined) last.mark = later(last.mark, latestAt(last.first));
    const gap = last === undefined ? 0 : Math.max(0, wall - last.mark.wall);
    const boot = { base: wall, gap, first: next, mark: { axis: wall, wall } };
    this.#boots = [...earlier, boot].slice(-BOOTS_KEPT);
    this.#isConfirmed = last === undefined;
  }

  /** on the axis of this run */
  now(): number {
    return Math.round(this.#current.base + this.#elapsed);
  }

  /** From what the wall clock says to the axis, and back by its negative. */
  get offset(): number {
    const offset = this.now() - this.#clock.now();
    return Math.abs(offset) < SLACK_MS ? 0 : offset;
  }

  /** What to add to the times of a record to have them on the axis of this run. */
  shiftOf(queue: string, number: number): number {
    let shift = 0;
    for (let at = this.#boots.length - 1; at > 0; at -= 1) {
      const boot = this.#boots[at]!;
      if (number >= (boot.first[queue] ?? 1)) return shift;
      shift += boot.base - this.#boots[at - 1]!.mark.axis - boot.gap;
    }
    return shift;
  }

  isOfEarlierRun(queue: string, number: number): boolean {
    return number < (this.#current.first[queue] ?? 1);
  }

  /** True for records of an earlier run while it is not certain how long ago that was. */
  isUncertain(queue: string, number: number): boolean {
    return !this.#isConfirmed && this.#elapsed < PATIENCE_MS && this.isOfEarlierRun(queue, number);
  }

  /** Gives what to add to the times of all records of earlier runs, once; 0 when there is nothing to correct. */
  hearParent(parentNow: number): number {
    this.#parentAtBase = Math.round(parentNow - this.#elapsed);
    if (this.#isConfirmed) return 0;
    this.#isConfirmed = true;
    const before = this.#boots.at(-2);
    if (before === undefined) return 0;
    const gap = Math.max(0, this.#parentAtBase - (before.mark.parent ?? before.mark.wall));
    const correction = this.#current.gap - gap;
    const wentBack = this.#current.base < before.mark.wall;
    if (Math.abs(correction) < CORRECTION_MS && !wentBack) return 0;
    this.#current.gap = gap;
    this.#markedAt = Number.NEGATIVE_INFINITY;
    return correction;
  }

  /** To be written with the commit that is submitted now. `heads`: the first record of each queue that is still there. */
  markOps(key: string, heads: () => Readonly<Record<string, number>>): Op[] {
    const now = this.now();
    if (now - this.#markedAt < MARK_MS) return [];
    this.#markedAt = now;
    const parent = this.#parentAtBase === undefined ? {} : { parent: Math.round(this.#parentAtBase + this.#elapsed) };
    this.#current.mark = { axis: now, wall: this.#clock.now(), ...parent };
    this.#forget(heads());
    return [putJson(key, this.#boots)];
  }

  get #current(): Boot {
    return this.#boots.at(-1)!;
  }

  get #elapsed(): number {
    return this.#clock.monotonic() - this.#startedAt;
  }

  /** Runs of which no record is left, from the oldest on. */
  #forget(heads: Readonly<Record<string, number>>): void {
    const isLeft = (boot: Boot): boolean =>
      Object.entries(heads).every(([queue, head]) => (boot.first[queue] ?? 1) <= head);
    while (this.#boots.length > 2 && isLeft(this.#boots[1]!)) this.#boots.shift();
  }
}

/** A record that was received after the mark shows that the run lived until then; the next commit after that had a mark again. */
function later(mark: Mark, axis: number): Mark {
  const more = Math.min(Math.max(0, axis - mark.axis), MARK_MS);
  const parent = mark.parent === undefined ? {} : { parent: mark.parent + more };
  return { axis: mark.axis + more, wall: mark.wall + more, ...parent };
}
