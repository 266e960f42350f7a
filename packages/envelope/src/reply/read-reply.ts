import { BackhaulError } from '@backhaul/runtime';
import { checkSize } from '../envelope/read-envelope.ts';
import { LIMITS } from '../limits.ts';
import type { EnvelopeResponse, RawMessage } from '../message.ts';
import { boundaryOf } from '../mime/boundary.ts';
import { MessagePairs, pairLimit } from '../mime/message-pairs.ts';
import { type PartLimit, PartScanner } from '../mime/part-scanner.ts';
import { readResponse } from './response-xml.ts';
import { RESPONSE_ID } from './write-reply.ts';

const replyLimit: PartLimit = (contentId) =>
  contentId === RESPONSE_ID ? { bytes: LIMITS.responseBytes, code: 'BH-E-LIMIT-BODY' } : pairLimit(contentId);

/**
 * A whole reply: what became of each message sent, and the messages that came with it, not yet read.
 * Throws as `readEnvelope` does, and what `readResponse` throws.
 */
export function readReply(
  contentType: string | undefined,
  bytes: Buffer,
): { response: EnvelopeResponse; messages: RawMessage[] } {
  checkSize(bytes.length);
  const scanner = new PartScanner(boundaryOf(contentType), replyLimit, bytes);
  const first = scanner.next();
  if (first === undefined) scanner.end();
  if (first?.contentId !== RESPONSE_ID)
    throw new BackhaulError('BH-E-MIME-PART', { detail: 'a reply begins with <response>' });
  const pairs = new MessagePairs();
  const messages: RawMessage[] = [];
  for (let part = scanner.next(); part !== undefined; part = scanner.next()) {
    const message = pairs.add(part);
    if (message !== undefined) messages.push(message);
  }
  scanner.end();
  pairs.end();
  return { response: readResponse(first.content), messages };
}
