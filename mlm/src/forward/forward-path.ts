import type { Message, Verdict } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import type { Peer } from '@backhaul/transport';
import { noteTransfers, runModules } from './ask-modules.ts';
import { Batch } from './batch.ts';
import { chooseCustody, relayOn } from './custody.ts';
import type { ForwardContext } from './forward-context.ts';
import { checkEpoch, dropExpired, dropSeen } from './known-messages.ts';
import { concernsAll, oneByOne } from './one-by-one.ts';
import { refuseWithoutRoom } from './room.ts';
import { checkSource, refuseLoops } from './sender-checks.ts';
import { settleReceipts } from './settle-receipts.ts';
import { markSeen, spoolBatch } from './spool-batch.ts';

/**
 * The way of an envelope up through an MLM. The stages up to `commitBatch` run in one tick, message order kept; each takes
 * what is still `open`; together they make one commit: seen marks, one spool record a lane with the receipts in it, held
 * messages, dead letters. What passes through is sent on after it, and marked when the tier above has it.
 */
export const FORWARD_STAGES = [
  checkSource,
  refuseLoops,
  dropSeen,
  checkEpoch,
  dropExpired,
  settleReceipts,
  noteTransfers,
  runModules,
  chooseCustody,
  refuseWithoutRoom,
  spoolBatch,
  markSeen,
  commitBatch,
  relayOn,
] as const;

/**
 * One verdict per message, in order; resolves after everything accepted is durable here, or has been accepted above.
 * Throws BH-E-SPOOL-STOPPED, BH-E-SPOOL-FULL while disk space is short.
 */
export async function forwardEnvelope(
  context: ForwardContext,
  peer: Peer,
  messages: readonly Message[],
): Promise<readonly Verdict[]> {
  try {
    return await passStages(context, peer, messages);
  } catch (thrown) {
    if (concernsAll(thrown)) throw thrown;
    return oneByOne(context, peer, messages, thrown, (one) => passStages(context, peer, [one]));
  }
}

async function passStages(context: ForwardContext, peer: Peer, messages: readonly Message[]): Promise<Verdict[]> {
  const { clock, aggregation, metrics } = context;
  const batch = new Batch(peer, messages, clock.now(), aggregation.planner(peer.identity.id));
  for (const stage of FORWARD_STAGES) {
    const waiting = stage(context, batch);
    if (waiting !== undefined) await waiting; // no other stage waits: what is staged is committed in the same tick
  }
  metrics.count(batch);
  return batch.verdicts();
}

/** [S1] Also for a batch of nothing but duplicates: the first copy may be on its way to the disk. */
function commitBatch({ store }: ForwardContext, batch: Batch): Promise<void> {
  return commitChanges(store, batch.changes);
}
