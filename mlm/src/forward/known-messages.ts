import { expiryHere } from '@backhaul/envelope';
import { type Batch, refuse } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { tombstone } from './tombstone.ts';

/** How long a sender waits whose lane has too many gaps: the lowest missing message goes first anyway. */
export const GAP_WAIT_MS = 1000;

/** Retries are free: what is here already is accepted again, once more in the same envelope, too [DESIGN §4.3]. */
export function dropSeen({ seen }: ForwardContext, batch: Batch): void {
  const here = new Set<string>();
  for (const item of batch.items) {
    if (item.fate !== 'open') continue;
    const { source, epoch, lane, sequence } = item.message.header;
    const identity = `${source}/${epoch}/${lane}/${sequence}`;
    if (here.has(identity) || seen.has(source, epoch, lane, sequence)) item.fate = 'seen';
    else if (!seen.hasRoom(source, epoch, lane, sequence)) {
      refuse(item, 'BH-E-SEEN-BOUND', { retryable: true, waitMs: GAP_WAIT_MS });
    } else here.add(identity);
  }
}

/** Past its time: accepted, and accounted for by a tombstone. */
export function dropExpired({ self }: ForwardContext, batch: Batch): void {
  for (const item of batch.items) {
    if (item.fate !== 'open') continue;
    const expiresAt = expiryHere(item.message.header, batch.now);
    if (expiresAt === undefined) continue;
    item.expiresAt = expiresAt;
    if (expiresAt > batch.now) continue;
    item.fate = 'removed';
    batch.tombstones.push(tombstone(item, 'expired', undefined, self));
    batch.lost.push({ item, reason: 'expired' });
  }
}
