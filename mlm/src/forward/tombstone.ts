import type { Tombstone, TombstoneReason } from '@backhaul/envelope';
import type { Item } from './batch.ts';

/** What takes the place of one message; `rule` says which rule or code, `at` is this component. */
export function tombstone(item: Item, reason: TombstoneReason, rule: string | undefined, at: string): Tombstone {
  const { source, epoch, lane, sequence } = item.message.header;
  return { source, epoch, lane, from: sequence, to: sequence, reason, ...(rule === undefined ? {} : { rule }), at };
}
