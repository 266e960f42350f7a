import { expiryHere } from '@backhaul/envelope';
import { type Draft, epochRefusal } from '@backhaul/transport';
import { type Batch, refuse, refuseWith } from './batch.ts';
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

/**
 * Of a direct child only the epoch that took over last may speak: what an older copy of it says, or two of it, is refused until it
 * has begun anew. Fencing stands here alone: what its older epoch sent before may still be on its way through other hops.
 */
export function checkEpoch(context: ForwardContext, batch: Batch): void {
  const { seen, epochs, clock } = context;
  const child = batch.peer.identity.id;
  if (!epochs.isClone(child)) context.cloneNotices.forget(child);
  const newest = seen.newestEpoch(child);
  let knownEpochs: ReadonlySet<string> | undefined;
  for (const item of batch.open()) {
    const { source, epoch } = item.message.header;
    if (source !== child || (epoch === newest && !epochs.isClone(child))) continue;
    knownEpochs ??= new Set(seen.marks(child).map((mark) => mark.epoch));
    const known = knownEpochs.has(epoch);
    const judgement = epochs.judge(child, epoch, { newest, known }, clock.monotonic());
    if (judgement === 'clone') sayClone(context, batch, child);
    const refusal = epochRefusal(judgement, epoch);
    if (refusal !== undefined) refuseWith(item, refusal);
  }
}

/** Once, and again when the commit with the notice failed. */
function sayClone({ cloneNotices, clock, logger }: ForwardContext, batch: Batch, child: string): void {
  if (!cloneNotices.isDue(child, clock.monotonic())) return;
  logger.error({ child }, 'two live components speak with the identity of a child: neither is taken');
  batch.notices.push(cloneNotice(child, batch.now));
  batch.changes.push(cloneNotices.said(child));
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

function cloneNotice(child: string, now: number): Draft {
  const text = `two live components speak with the identity ${child}; neither is taken until one is stopped and it is enrolled anew`;
  return {
    lane: 2,
    classification: 'infrastructure-administration',
    class: 'infrastructure',
    subclass: 'notice',
    content: { type: 'event', eventId: 'clone', severity: 'critical', instance: child, occurredAt: now, text },
  };
}
