import { addMessages } from '../envelope/write-envelope.ts';
import type { EnvelopeResponse, RawMessage } from '../message.ts';
import { PartWriter } from '../mime/part-writer.ts';
import { writeResponse } from './response-xml.ts';

/** Content-ID of the first part of a reply. */
export const RESPONSE_ID = 'response';

/**
 * A reply: the response to what was sent, then 0..256 messages of the mailbox.
 * Throws BH-E-LIMIT-*, BH-E-NAME, BH-E-XML-VALUE.
 */
export function writeReply(boundary: string, response: EnvelopeResponse, messages: readonly RawMessage[]): Buffer[] {
  const writer = new PartWriter(boundary);
  writer.add(RESPONSE_ID, writeResponse(response));
  addMessages(writer, messages);
  return writer.end();
}
