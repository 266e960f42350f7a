import type { Random } from '@backhaul/runtime';
import { boundedWait, fullJitter } from './backoff.ts';

/** Failures in a row after which the next parent is tried. */
const FAILURES_BEFORE_NEXT = 2;
/** How long a later parent is used before a preferred one is asked again; jittered by half. */
const RETURN_MS = 30_000;
/** A preferred parent that fails again soon after the return is asked less often, up to this. */
const LONGEST_RETURN_MS = 600_000;
/** Used for so long, a parent counts as steady. */
const STEADY_MS = 120_000;
/** Before another parent is tried for the first time: just enough that children do not all come at once. */
const SPREAD_MS = 250;

/** What happened when a request was sent: only the first failure of those under way together counts. */
export type Attempt = number;

export interface Failure {
  /** what the parent asked for; heeded up to a bound */
  readonly waitMs?: number;
  /** it is there, but busy */
  readonly stay?: boolean;
  /** it was asked and is not there: no second try */
  readonly leave?: boolean;
}

/**
 * Which parent to use and when, as a pure step machine. Time is monotonic.
 *
 *   settled    the current parent answers
 *   failing    `failures` in a row; nothing is sent before `pausedUntil`; after two, or one silence, the next is current
 *   away       a later parent is current; at `returnAt` those before it are asked on the side, while it goes on being used:
 *              nothing waits for a parent that may still be gone
 */
export class ParentChoice {
  readonly #count: number;
  readonly #random: Random;
  #index = 0;
  #failures = 0;
  #attempt = 0;
  #pausedUntil = 0;
  #since = 0;
  #returnMs = RETURN_MS;
  #returnAt: number | undefined;

  constructor(count: number, random: Random) {
    this.#count = count;
    this.#random = random;
  }

  /** Failures in a row, on whichever parents. */
  get failures(): number {
    return this.#failures;
  }

  /** Index of the parent to use now. */
  get current(): number {
    return this.#index;
  }

  /** To be kept with every request and given back with its outcome. */
  attempt(): Attempt {
    return this.#attempt;
  }

  pauseMs(now: number): number {
    return Math.max(0, this.#pausedUntil - now);
  }

  /** Ms until the preferred parents are to be asked; undefined while the first is used. */
  returnInMs(now: number): number | undefined {
    return this.#returnAt === undefined ? undefined : Math.max(0, this.#returnAt - now);
  }

  answered(index: number, now: number): void {
    if (index !== this.#index) return;
    this.#failures = 0;
    if (now - this.#since >= STEADY_MS && index === 0) this.#returnMs = RETURN_MS;
  }

  /** The pause in ms before anything is sent again; what the parent asked for is the least. */
  failed(attempt: Attempt, now: number, failure: Failure = {}): number {
    if (attempt !== this.#attempt) return this.pauseMs(now);
    this.#attempt++;
    this.#failures++;
    const enough = failure.leave === true || this.#failures % FAILURES_BEFORE_NEXT === 0;
    if (failure.stay || this.#count === 1 || !enough) {
      const toldMs = boundedWait(failure.waitMs ?? 0);
      return this.#pause(now, Math.max(toldMs, fullJitter(this.#failures, this.#random)));
    }
    this.#leave(now);
    const firstRound = this.#failures < FAILURES_BEFORE_NEXT * this.#count;
    return this.#pause(
      now,
      firstRound ? this.#random.fraction() * SPREAD_MS : fullJitter(this.#failures, this.#random),
    );
  }

  /** A preferred parent answers again. */
  returned(index: number, now: number): void {
    this.#attempt++;
    this.#failures = 0;
    this.#pausedUntil = now;
    this.#move(index, now);
  }

  /** None of the preferred ones does. */
  stayed(now: number): void {
    this.#returnAt = this.#nextReturn(now);
  }

  #leave(now: number): void {
    const unsteady = this.#index === 0 && this.#since > 0 && now - this.#since < STEADY_MS;
    if (unsteady) this.#returnMs = Math.min(LONGEST_RETURN_MS, this.#returnMs * 2);
    this.#move((this.#index + 1) % this.#count, now);
  }

  #move(index: number, now: number): void {
    this.#index = index;
    this.#since = now;
    this.#returnAt = index === 0 ? undefined : (this.#returnAt ?? this.#nextReturn(now));
  }

  #pause(now: number, ms: number): number {
    this.#pausedUntil = now + ms;
    return ms;
  }

  #nextReturn(now: number): number {
    return now + this.#returnMs * (0.5 + this.#random.fraction());
  }
}
