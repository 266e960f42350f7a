import { type Clock, TokenBucket } from '@backhaul/runtime';
import { LAST_STRICT_LANE } from '@backhaul/spool';

/** Whatever a parent says. */
const LONGEST_HOLD_MS = 60_000;

export interface PaceLimits {
  readonly messagesPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/**
 * How fast a backlog may drain: so many messages and bytes a second of lanes 4 to 8, on average over about a second; and not at all
 * while the parent has no room for it. Lanes 0 to 3 wait for neither.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #limits: PaceLimits;
  readonly #messages: TokenBucket | undefined;
  readonly #bytes: TokenBucket | undefined;
  #until = 0;
  #heldUntil = 0;

  constructor(clock: Clock, limits: PaceLimits = {}) {
    this.#clock = clock;
    this.#limits = limits;
    this.#messages = bucket(limits.messagesPerSecond);
    this.#bytes = bucket(limits.bytesPerSecond);
  }

  /** Ms until something of a paced lane may be sent. */
  waitMs(): number {
    return Math.max(0, Math.max(this.#until, this.#heldUntil) - this.#clock.monotonic());
  }

  /** The parent has no room for what is paced: it is not asked again before that time, in ms, is over. */
  hold(waitMs: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, this.#clock.monotonic() + Math.min(waitMs, LONGEST_HOLD_MS));
  }

  /** No envelope is larger than a second of the pace. */
  bounded(budget: { maxMessages: number; maxBytes: number }): { maxMessages: number; maxBytes: number } {
    const { messagesPerSecond = budget.maxMessages, bytesPerSecond = budget.maxBytes } = this.#limits;
    return {
      maxMessages: Math.min(budget.maxMessages, Math.ceil(messagesPerSecond)),
      maxBytes: Math.min(budget.maxBytes, bytesPerSecond),
    };
  }

  paces(lane: number): boolean {
    return lane > LAST_STRICT_LANE;
  }

  took({ lane, entries, bytes }: { lane: number; entries: readonly unknown[]; bytes: number }): void {
    if (!this.paces(lane)) return;
    const now = this.#clock.monotonic();
    const waits = [this.#messages?.take(entries.length, now) ?? 0, this.#bytes?.take(bytes, now) ?? 0];
    this.#until = now + Math.max(...waits);
  }
}

function bucket(perSecond: number | undefined): TokenBucket | undefined {
  return perSecond === undefined ? undefined : new TokenBucket(perSecond, perSecond);
}
