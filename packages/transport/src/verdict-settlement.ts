import type { Verdict } from '@backhaul/envelope';
import type { Settlement } from '@backhaul/spool';
import { boundedWait } from './backoff.ts';

const ACCEPTED: Settlement = { outcome: 'accepted' };

/** What the parent said of each message, as what the spool does with it. `backoffMs` counts where no wait was told. */
export function settlementOf(verdict: Verdict, now: number, backoffMs: () => number): Settlement {
  if (verdict.accepted) return ACCEPTED;
  if (verdict.code === 'BH-E-EPOCH') return { outcome: 'retry', notBefore: now }; // it gets a new number before it is sent again
  if (verdict.retryable) {
    const waitMs = verdict.waitMs === undefined ? backoffMs() : boundedWait(verdict.waitMs);
    return { outcome: 'retry', notBefore: now + waitMs };
  }
  const detail = verdict.detail === undefined ? {} : { detail: verdict.detail };
  return { outcome: 'refused', code: verdict.code ?? 'BH-E-INTERNAL', ...detail };
}
