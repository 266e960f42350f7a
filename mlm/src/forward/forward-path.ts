import type { Message, Verdict } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import type { Peer } from '@backhaul/transport';
import { noteTransfers, runModules } from './ask-modules.ts';
import { Batch } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { dropExpired, dropSeen } from './known-messages.ts';
import { refuseWithoutRoom } from './room.ts';
import { checkSource, refuseLoops } from './sender-checks.ts';
import { settleReceipts } from './settle-receipts.ts';
import { markSeen, spoolBatch } from './spool-batch.ts';

/**
 * The way of an envelope up through an MLM. The stages run in one tick, message order kept; each takes what is still
 * `open`; together they make one commit: seen marks, one spool record a lane with the receipts in it, held messages.
 */
export const FORWARD_STAGES = [
  checkSource,
  refuseLoops,
  dropSeen,
  dropExpired,
  settleReceipts,
  noteTransfers,
  runModules,
  refuseWithoutRoom,
  spoolBatch,
  markSeen,
] as const;

/** One verdict per message, in order; resolves after everything accepted is durable. Throws BH-E-SPOOL-STOPPED, BH-E-SPOOL-FULL while disk space is short. */
export async function forwardEnvelope(
  context: ForwardContext,
  peer: Peer,
  messages: readonly Message[],
): Promise<readonly Verdict[]> {
  const batch = new Batch(peer, messages, context.clock.now(), context.aggregation.planner(peer.identity.id));
  for (const stage of FORWARD_STAGES) stage(context, batch);
  await commitChanges(context.store, batch.changes); // [S1] also for a batch of nothing but duplicates: the first copy may be on its way to the disk
  context.metrics.count(batch);
  return batch.verdicts();
}
