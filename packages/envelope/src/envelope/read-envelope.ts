import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { RawMessage } from '../message.ts';
import { boundaryOf } from '../mime/boundary.ts';
import { MessagePairs, pairLimit } from '../mime/message-pairs.ts';
import { PartScanner } from '../mime/part-scanner.ts';

/**
 * A whole envelope to its messages, headers not read, bodies not copied (they are views of `bytes`) [E5].
 * Throws BH-E-MIME-*, BH-E-LIMIT-ENVELOPE, BH-E-LIMIT-MESSAGES, BH-E-LIMIT-HEADER, BH-E-LIMIT-BODY.
 */
export function readEnvelope(contentType: string | undefined, bytes: Buffer): RawMessage[] {
  checkSize(bytes.length);
  const scanner = new PartScanner(boundaryOf(contentType), pairLimit, bytes);
  const pairs = new MessagePairs();
  const messages: RawMessage[] = [];
  for (let part = scanner.next(); part !== undefined; part = scanner.next()) {
    const message = pairs.add(part);
    if (message !== undefined) messages.push(message);
  }
  scanner.end();
  pairs.end();
  return messages;
}

/** Throws BH-E-LIMIT-ENVELOPE. */
export function checkSize(length: number): void {
  if (length > LIMITS.envelopeBytes)
    throw new BackhaulError('BH-E-LIMIT-ENVELOPE', { detail: `more than ${LIMITS.envelopeBytes} bytes` });
}
