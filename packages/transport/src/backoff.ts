import type { Random } from '@backhaul/runtime';

export interface BackoffLimits {
  readonly baseMs: number;
  readonly capMs: number;
}

export const LINK_BACKOFF: BackoffLimits = { baseMs: 250, capMs: 30_000 };

/** No parent keeps a child away for longer, whatever it asks for: a wrong number would be an outage that nobody ends. */
export const LONGEST_TOLD_WAIT_MS = 900_000;

/** The wait that a parent asks for, in ms, as far as it is heeded. */
export function boundedWait(toldMs: number): number {
  return Math.min(Math.max(toldMs, 0), LONGEST_TOLD_WAIT_MS);
}

/** Full jitter: anything between 0 and the doubled base, so that children do not come back together. `attempt` from 1. */
export function fullJitter(attempt: number, random: Random, limits: BackoffLimits = LINK_BACKOFF): number {
  const ceiling = Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(random.fraction() * ceiling);
}
