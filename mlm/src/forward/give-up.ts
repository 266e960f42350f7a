import type { ErrorCode } from '@backhaul/runtime';
import type { Batch, Item } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { tombstone } from './tombstone.ts';

/** A message that fails over and over is taken out of its lane: a dead letter here, a tombstone in its place. */
export function giveUp(
  { self, logger }: ForwardContext,
  batch: Batch,
  item: Item,
  why: { readonly code: ErrorCode; readonly detail: string },
): void {
  const { id, source, lane, sequence, class: kind, subclass } = item.message.header;
  logger.error(
    { id, source, lane, sequence, class: kind, subclass, ...why },
    'a message failed too often: a dead letter',
  );
  item.fate = 'removed';
  batch.tombstones.push(tombstone(item, 'dead-letter', why.code, self));
  batch.lost.push({ item, reason: 'dead-letter', ...why });
}
