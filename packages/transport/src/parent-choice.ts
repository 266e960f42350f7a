import type { Random } from '@backhaul/runtime';
import { fullJitter } from './backoff.ts';

/** Failures in a row after which the next parent is tried. */
const FAILURES_BEFORE_NEXT = 2;
/** How long a later parent is used before the first is tried again; jittered by half. */
const RETURN_MS = 60_000;

/** What happened when a request was sent: only the first failure of those under way together counts. */
export type Attempt = number;

/**
 * Which parent to use and when, as a pure step machine.
 *
 *   settled    the current parent answers; a later one is left for the first after a while (`returnAt`)
 *   failing    `failures` in a row; nothing is sent before `pausedUntil`; after two the next parent is current
 *   probing    the first is tried again while another one worked: one failure goes back to that one
 */
export class ParentChoice {
  readonly #count: number;
  readonly #random: Random;
  #index = 0;
  #failures = 0;
  #attempt = 0;
  #pausedUntil = 0;
  #returnAt: number | undefined;
  #probingFrom: number | undefined;

  constructor(count: number, random: Random) {
    this.#count = count;
    this.#random = random;
  }

  /** Failures in a row, on whichever parents. */
  get failures(): number {
    return this.#failures;
  }

  /** Index of the parent to use now. */
  current(now: number): number {
    if (this.#returnAt !== undefined && now >= this.#returnAt) {
      this.#probingFrom = this.#index;
      this.#index = 0;
      this.#returnAt = undefined;
    }
    return this.#index;
  }

  /** To be kept with every request and given back with its outcome. */
  attempt(): Attempt {
    return this.#attempt;
  }

  pauseMs(now: number): number {
    return Math.max(0, this.#pausedUntil - now);
  }

  answered(index: number, now: number): void {
    if (index !== this.#index) return;
    this.#failures = 0;
    this.#probingFrom = undefined;
    if (index > 0 && this.#returnAt === undefined) this.#returnAt = this.#nextReturn(now);
  }

  /** The pause in ms before anything is sent again; what the parent asked for is the least. `stay`: it is there, but busy. */
  failed(attempt: Attempt, now: number, failure: { waitMs?: number; stay?: boolean } = {}): number {
    if (attempt !== this.#attempt) return this.pauseMs(now);
    this.#attempt++;
    this.#failures++;
    if (this.#probingFrom !== undefined) return this.#backFromProbe(now);
    const leave = !failure.stay && this.#count > 1 && this.#failures % FAILURES_BEFORE_NEXT === 0;
    if (leave) this.#index = (this.#index + 1) % this.#count;
    return this.#pause(now, Math.max(failure.waitMs ?? 0, fullJitter(this.#failures, this.#random)));
  }

  #backFromProbe(now: number): number {
    this.#index = this.#probingFrom!;
    this.#probingFrom = undefined;
    this.#returnAt = this.#nextReturn(now);
    return this.#pause(now, 0);
  }

  #pause(now: number, ms: number): number {
    this.#pausedUntil = now + ms;
    return ms;
  }

  #nextReturn(now: number): number {
    return now + RETURN_MS * (0.5 + this.#random.fraction());
  }
}
