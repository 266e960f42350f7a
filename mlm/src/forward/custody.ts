import type { Verdict } from '@backhaul/envelope';
import { BackhaulError, toBackhaulError } from '@backhaul/runtime';
import { commitChanges, type SpoolEntry } from '@backhaul/spool';
import type { Batch, Item } from './batch.ts';
import { custodyOf } from './custody-config.ts';
import { entryOf } from './entry-of.ts';
import type { ForwardContext } from './forward-context.ts';
import { rangesOf } from './ranges.ts';

/** Sends these to the parent at once and resolves with what it said of each; throws when it could not be asked. */
export type Relay = (entries: readonly SpoolEntry[]) => Promise<readonly Verdict[]>;

/** How long a sender waits when the tier above could not be asked and nobody said how long. */
const RELAY_WAIT_MS = 5_000;

/** What is not kept here waits for the answer of the tier above; what a module holds or drops is in custody here already. */
export function chooseCustody({ custody }: ForwardContext, batch: Batch): void {
  if (custody.default === 'spool' && custody.classes.length === 0) return;
  for (const item of batch.open()) {
    if (custodyOf(custody, item.message.header) === 'passthrough') item.fate = 'relayed';
  }
}

/**
 * Figures 14 to 16 of the source document: sent on, and answered as the tier above answers. A refusal, or no parent, is a
 * refusal here, and the sender keeps it. Seen is what was accepted above, and only then: a crash in between costs a second
 * copy, which the tier above knows.
 */
export async function relayOn(context: ForwardContext, batch: Batch): Promise<void> {
  const items = batch.items.filter(({ fate }) => fate === 'relayed');
  if (items.length === 0) return;
  const verdicts = await verdictsAbove(context, batch, items);
  for (const [index, item] of items.entries()) if (!verdicts[index]?.accepted) refuseAsAbove(item, verdicts[index]);
  const accepted = items.filter(({ fate }) => fate === 'relayed').map(({ message }) => message.header);
  if (accepted.length > 0) await commitChanges(context.store, [context.seen.stage(rangesOf(accepted))]);
}

async function verdictsAbove(
  { relay, relayShares }: ForwardContext,
  batch: Batch,
  items: readonly Item[],
): Promise<readonly Verdict[]> {
  try {
    const entries = items.map((item) => entryOf(item, batch));
    const verdicts = await relayShares.within(batch.peer.identity.customer, () => relay(entries));
    if (verdicts.length === items.length) return verdicts;
    throw new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: 'the answer does not speak of every message' });
  } catch (thrown) {
    const { code, detail, retryAfterMs: waitMs = RELAY_WAIT_MS } = toBackhaulError(thrown);
    const refusal = { accepted: false, code, retryable: true, waitMs, ...(detail === undefined ? {} : { detail }) };
    return items.map(() => refusal);
  }
}

function refuseAsAbove(item: Item, verdict: Verdict | undefined): void {
  const { code = 'BH-E-PARENT-UNREACHABLE', detail, retryable = true, waitMs } = verdict ?? {};
  const wait = waitMs ?? (retryable ? RELAY_WAIT_MS : undefined);
  item.fate = 'refused';
  item.refusal = {
    ...{ accepted: false, code, retryable },
    ...(detail === undefined ? {} : { detail }),
    ...(wait === undefined ? {} : { waitMs: wait }),
  };
}
