import type { Message, Verdict } from '@backhaul/envelope';
import { BackhaulError, toBackhaulError } from '@backhaul/runtime';
import { commitChanges } from '@backhaul/spool';
import type { Peer } from '@backhaul/transport';
import { Batch } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { giveUp } from './give-up.ts';
import { dropSeen } from './known-messages.ts';
import { checkSource, refuseLoops } from './sender-checks.ts';
import { markSeen, spoolBatch } from './spool-batch.ts';

/** How long the sender of a message waits on which a stage or the commit failed. */
const FAILED_WAIT_MS = 5_000;
/** A change that failed as it was submitted has the store opened again; the next message is tried after that, or after this long. */
const REOPEN_MS = 20_000;
const REOPEN_LOOK_MS = 100;
/** These say nothing of a message: the store is being reopened, or the disk is short. */
const FOR_ALL: ReadonlySet<string> = new Set(['BH-E-SPOOL-STOPPED', 'BH-E-SPOOL-FULL']);

export function concernsAll(thrown: unknown): boolean {
  return thrown instanceof BackhaulError && FOR_ALL.has(thrown.code);
}

/**
 * An envelope on which a stage or its commit failed, taken message by message, so that one that always fails does not hold
 * up what came with it: it is refused for a retry, and a dead letter from the tenth failure on.
 */
export async function oneByOne(
  context: ForwardContext,
  peer: Peer,
  messages: readonly Message[],
  cause: unknown,
  pass: (message: Message) => Promise<Verdict[]>,
): Promise<Verdict[]> {
  const fields = { peer: peer.identity.id, messages: messages.length, error: cause };
  const { code } = toBackhaulError(cause);
  context.troubles.log(
    'warn',
    `${code} ${peer.identity.id}`,
    fields,
    'an envelope failed; its messages are taken one by one',
  );
  const verdicts: Verdict[] = [];
  for (const message of messages) {
    await reopened(context);
    verdicts.push(await alone(context, peer, message, pass));
  }
  return verdicts;
}

/** Without that a message that fails each time would be refused with all the others each time, and never be found out. */
async function reopened({ store, clock }: ForwardContext): Promise<void> {
  const until = clock.monotonic() + REOPEN_MS;
  while (store.state === 'recovering' && clock.monotonic() < until) await clock.sleep(REOPEN_LOOK_MS);
}

async function alone(
  context: ForwardContext,
  peer: Peer,
  message: Message,
  pass: (message: Message) => Promise<Verdict[]>,
): Promise<Verdict> {
  try {
    return (await pass(message))[0]!;
  } catch (thrown) {
    if (concernsAll(thrown)) throw thrown;
    const error = toBackhaulError(thrown);
    if (!context.poison.failed(message.header)) return refusal(error);
    await reopened(context);
    return bury(context, peer, message, error).catch((again) => refusal(toBackhaulError(again)));
  }
}

function refusal({ code, detail, retryAfterMs: waitMs = FAILED_WAIT_MS }: BackhaulError): Verdict {
  return { accepted: false, code, retryable: true, waitMs, ...(detail === undefined ? {} : { detail }) };
}

/** Only who may send it, and only once. */
async function bury(context: ForwardContext, peer: Peer, message: Message, error: BackhaulError): Promise<Verdict> {
  const { store, clock, aggregation, metrics } = context;
  const batch = new Batch(peer, [message], clock.now(), aggregation.planner(peer.identity.id));
  for (const stage of [checkSource, refuseLoops, dropSeen]) stage(context, batch);
  const { code, detail, cause } = error;
  for (const item of batch.open())
    giveUp(context, batch, item, { code, detail: detail ?? String(cause ?? code).slice(0, 300) });
  for (const stage of [spoolBatch, markSeen]) stage(context, batch);
  await commitChanges(store, batch.changes);
  metrics.count(batch);
  return batch.verdicts()[0]!;
}
