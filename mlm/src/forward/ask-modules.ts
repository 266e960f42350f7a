import type { Message } from '@backhaul/envelope';
import { type Batch, refuse } from './batch.ts';
import type { ForwardContext } from './forward-context.ts';
import { giveUp } from './give-up.ts';
import { ModuleView } from './module-view.ts';
import { tombstone } from './tombstone.ts';

/** What members say of software that was offered to them moves the transfer on. */
export function noteTransfers({ transfers }: ForwardContext, batch: Batch): void {
  const answers = batch
    .open()
    .filter(({ message: { header } }) => header.class === 'software' || header.subclass === 'transfer');
  if (answers.length > 0) batch.changes.push(...transfers.noteUpward(answers.map(({ message }) => message)));
}

/** Filter, aggregate and throttle, in the order of the configuration; only modules that subscribe to the class are asked. */
export function runModules(context: ForwardContext, batch: Batch): void {
  const { modules, self } = context;
  for (const item of batch.items) {
    const { message } = item;
    if (item.fate !== 'open' || !modules.wants(message.header) || isReceipt(message)) continue;
    const { action, module, fault } = modules.decide(new ModuleView(message));
    if (action.do === 'drop') {
      item.fate = 'removed';
      batch.tombstones.push(tombstone(item, 'filtered', action.rule, self));
    } else if (action.do === 'hold') {
      const expiry = item.expiresAt === undefined ? {} : { expiresAt: item.expiresAt };
      if (batch.holding.hold(module, action, { message, receivedAt: batch.now, ...expiry })) item.fate = 'held';
    } else if (action.do === 'refuse') {
      if (fault !== undefined && context.poison.failed(message.header)) {
        giveUp(context, batch, item, { code: action.code, detail: `${module}: ${fault}` });
      } else refuse(item, action.code, { detail: module, retryable: true, waitMs: action.waitMs });
    }
  }
}

function isReceipt({ header }: Message): boolean {
  return header.class === 'infrastructure' && header.subclass === 'receipt';
}
