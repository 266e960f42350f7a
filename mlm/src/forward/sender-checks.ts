import { type Batch, refuse } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';

/** A message comes from the peer itself or from its subtree, as the membership has it [T-A19]. */
export function checkSource({ membership }: ForwardContext, batch: Batch): void {
  const child = batch.peer.identity.id;
  const { tree } = membership;
  for (const item of batch.items) {
    const { source, locator } = item.message.header;
    if (locator === 'source' && tree.isAtOrBelow(source, child)) continue;
    refuse(item, 'BH-E-SPOOF', { detail: `${source} is not below ${child}`, retryable: false });
  }
}

/** [E2] A message that has been here before goes in a circle. */
export function refuseLoops({ self }: ForwardContext, batch: Batch): void {
  for (const item of batch.items) {
    const { header } = item.message;
    if (item.fate !== 'open') continue;
    if (header.source !== self && !header.routing.some(({ id }) => id === self)) continue;
    refuse(item, 'BH-E-LOOP', { detail: self, retryable: false });
  }
}
