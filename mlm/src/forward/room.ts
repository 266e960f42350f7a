import { BackhaulError } from '@backhaul/runtime';
import type { SpoolEntry } from '@backhaul/spool';
import { type Batch, type Item, refuse } from './batch.ts';
import { entryOf } from './entry-of.ts';
import type { ForwardContext } from './forward-context.ts';

/** How long a sender waits for room when the spool does not say. */
const ROOM_WAIT_MS = 5_000;
const NO_ROOM: ReadonlySet<string> = new Set(['BH-E-SPOOL-FULL', 'BH-E-QUOTA']);

/**
 * What the spool has no room for, or what is more than its child's share, is refused message by message, the least first:
 * an alarm behind a backlog, and every other child, goes on. While disk space is short nothing at all is taken: that is
 * for the whole envelope, so that the child stops asking.
 */
export function refuseWithoutRoom(context: ForwardContext, batch: Batch): void {
  const open = batch.open();
  let reason = reasonAgainst(context, batch, open);
  if (reason === undefined) return;
  const ranked = open.toSorted(byRank);
  let fitting = 0;
  let tooMany = ranked.length;
  while (tooMany - fitting > 1) {
    const middle = (fitting + tooMany) >> 1;
    const against = reasonAgainst(context, batch, ranked.slice(0, middle));
    if (against === undefined) fitting = middle;
    else [tooMany, reason] = [middle, against];
  }
  for (const item of ranked.slice(fitting)) refuseForRoom(item, reason);
}

/** A refusal of one message for want of room. */
export function refuseForRoom(item: Item, { code, detail, retryAfterMs: waitMs = ROOM_WAIT_MS }: BackhaulError): void {
  refuse(item, code, { ...(detail === undefined ? {} : { detail }), retryable: true, waitMs });
}

export function isWantOfRoom(thrown: unknown): thrown is BackhaulError {
  return thrown instanceof BackhaulError && NO_ROOM.has(thrown.code);
}

/** Why these together cannot be stored now; a change that is staged and dropped costs nothing. */
function reasonAgainst(
  { store, spool }: ForwardContext,
  batch: Batch,
  items: readonly Item[],
): BackhaulError | undefined {
  if (items.length === 0) return undefined;
  try {
    spool.stage(items.map((item): SpoolEntry => entryOf(item, batch)));
    return undefined;
  } catch (thrown) {
    if (isWantOfRoom(thrown) && store.accepting) return thrown;
    throw thrown;
  }
}

/** What counts most first; in a lane by sequence, so that the least that is refused is its end. */
function byRank({ message: { header: a } }: Item, { message: { header: b } }: Item): number {
  return a.lane - b.lane || a.sequence - b.sequence;
}
