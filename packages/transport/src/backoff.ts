import type { Random } from '@backhaul/runtime';

export interface BackoffLimits {
  readonly baseMs: number;
  readonly capMs: number;
}

export const LINK_BACKOFF: BackoffLimits = { baseMs: 250, capMs: 30_000 };

/** Full jitter: anything between 0 and the doubled base, so that children do not come back together. `attempt` from 1. */
export function fullJitter(attempt: number, random: Random, limits: BackoffLimits = LINK_BACKOFF): number {
  const ceiling = Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(random.fraction() * ceiling);
}
