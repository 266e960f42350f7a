import { type Header, readContent, readReceipts } from '@backhaul/envelope';
import { toBackhaulError } from '@backhaul/runtime';
import type { Seen } from '@backhaul/spool';
import { type Batch, type Item, refuse } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { GAP_WAIT_MS } from './known-messages.ts';
import type { SeenRange } from './ranges.ts';

/** Ranges that the receipts of one envelope may settle apart from what has been seen [T-A35]. */
const SETTLED_RANGES = 4096;

/**
 * A receipt from below passes on like any message, and what it speaks of is marked as seen here: it will not come. Not so
 * what a source says of an earlier epoch of its own: a restored copy may have used the same number for another message,
 * which would be taken for a duplicate here. Only the ledger takes that, where what arrives wins over what was said of it.
 */
export function settleReceipts({ membership, seen }: ForwardContext, batch: Batch): void {
  const child = batch.peer.identity.id;
  for (const item of batch.items) {
    const { header, body } = item.message;
    if (item.fate !== 'open' || header.subclass !== 'receipt' || header.class !== 'infrastructure') continue;
    try {
      const ranges = readReceipts(readContent(body));
      const foreign = ranges.find(({ source }) => !membership.tree.isAtOrBelow(source, child));
      if (foreign === undefined) settle(item, ranges.filter(isSure(header)), seen, batch);
      else refuse(item, 'BH-E-SPOOF', { detail: `a receipt for ${foreign.source}`, retryable: false });
    } catch (error) {
      const { code, detail } = toBackhaulError(error);
      refuse(item, code, { ...(detail === undefined ? {} : { detail }), retryable: false });
    }
  }
}

const isSure =
  (of: Pick<Header, 'source' | 'epoch'>) =>
  ({ source, epoch }: SeenRange): boolean =>
    source !== of.source || epoch === of.epoch;

/** What does not fit comes again with its receipt: by then the lowest gaps may have been filled [T-A35]. */
function settle(item: Item, ranges: readonly SeenRange[], seen: Seen, batch: Batch): void {
  const fitting = ranges.filter((range) => joins(range, seen) || hasRoom(range, seen, batch));
  batch.settled.push(...fitting);
  if (fitting.length < ranges.length) refuse(item, 'BH-E-SEEN-BOUND', { retryable: true, waitMs: GAP_WAIT_MS });
}

/** It touches what has been seen: no gap more. */
function joins({ source, epoch, lane, from, to }: SeenRange, seen: Seen): boolean {
  return [from - 1, from, to, to + 1].some((sequence) => seen.has(source, epoch, lane, sequence));
}

function hasRoom({ source, epoch, lane, from }: SeenRange, seen: Seen, { settled }: Batch): boolean {
  return settled.length < SETTLED_RANGES && seen.hasRoom(source, epoch, lane, from);
}
