import { type Message, payloadOf, readContent, softwareInstall, transfer as transferSchema } from '@backhaul/envelope';
import type { Transfer, TransferEvent } from './transfer-machine.ts';

export interface UpwardAnswer {
  readonly transfer: string;
  readonly event: TransferEvent;
}

/** States of an install in which its component has the bytes. */
const HAS_IT: ReadonlySet<string> = new Set(['fetched', 'verified', 'started', 'percent', 'done']);
const GAVE_UP: ReadonlySet<string> = new Set(['refused', 'failed']);

/**
 * What a message from below says of a transfer: a proxy tells the steps of its install, an MLM reports when it has handed
 * the artifact on. Throws when the body cannot be read.
 */
export function upwardAnswers({ header, body }: Message, transfers: Iterable<Transfer>): UpwardAnswer[] {
  if (header.contentType !== 'event') return [];
  if (header.class === 'software' && header.subclass === 'install') return installAnswer(header.source, body);
  if (header.class === 'infrastructure' && header.subclass === 'transfer')
    return childReport(header.source, body, transfers);
  return [];
}

function installAnswer(id: string, body: Uint8Array): UpwardAnswer[] {
  const { push, state, code, reason } = payloadOf(softwareInstall, readContent(body));
  if (HAS_IT.has(state)) return [{ transfer: push, event: { type: 'answered', id, has: true } }];
  if (!GAVE_UP.has(state)) return [];
  return [{ transfer: push, event: { type: 'answered', id, has: false, reason: code ?? reason ?? state } }];
}

function childReport(id: string, body: Uint8Array, transfers: Iterable<Transfer>): UpwardAnswer[] {
  const { sha256 } = payloadOf(transferSchema, readContent(body));
  const concerned = [...transfers].filter((one) => one.sha256 === sha256);
  return concerned.map((one) => ({ transfer: one.id, event: { type: 'answered', id, has: true } }));
}
