import { appendHop } from '@backhaul/envelope';

/** What is known of a stored message when it is sent on; header without this hop's routing element. */
export interface StoredMessage {
  readonly id: string;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** wall ms at this component */
  readonly receivedAt: number;
  /** wall ms at this component, from the time left on arrival */
  readonly expiresAt?: number;
}

/** The parts to send: this hop's routing element appended, the time left reduced by the time spent here [DESIGN §4.6, E2]. */
export function withOwnHop(self: string, message: StoredMessage, now: number) {
  const left = message.expiresAt === undefined ? {} : { left: Math.max(0, message.expiresAt - now) };
  const hop = { id: self, in: message.receivedAt, out: Math.max(now, message.receivedAt), ...left };
  return { id: message.id, headerBytes: appendHop(message.header, hop), body: message.body };
}
