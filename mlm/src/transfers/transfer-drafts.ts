import { jsonElement } from '@backhaul/envelope';
import type { Draft } from '@backhaul/transport';
import type { Transfer, TransferEffect } from './transfer-machine.ts';

const administration = { lane: 4, classification: 'infrastructure-administration' } as const;

/** What is said upward in the commit of a step. */
export function transferDrafts(
  self: string,
  now: number,
  transfer: Transfer,
  effects: readonly TransferEffect[],
): Draft[] {
  return effects.flatMap((effect) => {
    if (effect.do === 'grant') return [authorisation(transfer, 'granted', 'the transfer may begin')];
    if (effect.do === 'refuse') return [authorisation(transfer, 'refused', effect.reason, effect)];
    return effect.do === 'report' ? [report(self, now, transfer)] : [];
  });
}

/** The answer to the question that comes before any byte [DESIGN §6]. */
function authorisation(
  { id, size }: Transfer,
  status: 'granted' | 'refused',
  text: string,
  refusal?: { code: string; waitMs: number },
): Draft {
  return {
    ...administration,
    class: 'software',
    subclass: 'authorisation',
    content: {
      type: 'bulkDataResponse',
      request: id,
      status,
      ...(refusal === undefined ? {} : { code: refusal.code, waitMs: refusal.waitMs }),
      text: `${text} (${size} bytes)`,
    },
    inReplyTo: id,
  };
}

/** What the transfer cost above and below, and who has it. */
function report(self: string, now: number, transfer: Transfer): Draft {
  const { id, sha256, wanBytes, fetches, lanBytes, name, version } = transfer;
  const failed = transfer.destinations.filter(({ state }) => state === 'gave-up');
  const value = {
    sha256,
    wanBytes,
    fetches,
    lanBytes,
    destinations: transfer.destinations.map((one) => one.id),
    ...(failed.length === 0 ? {} : { failed: failed.map((one) => ({ id: one.id, reason: one.reason ?? '' })) }),
  };
  return {
    ...administration,
    class: 'infrastructure',
    subclass: 'transfer',
    content: {
      type: 'event',
      eventId: `transfer:${id}`,
      severity: failed.length === 0 ? 'info' : 'warning',
      instance: self,
      occurredAt: now,
      text: `${name} ${version}: fetched ${fetches} times, handed to ${transfer.destinations.length - failed.length} of ${transfer.destinations.length}`,
      data: jsonElement(value),
    },
    inReplyTo: id,
  };
}
