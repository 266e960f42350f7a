import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { RawMessage } from '../message.ts';
import { PartWriter } from '../mime/part-writer.ts';

/**
 * One envelope with 0..256 messages, header bytes as they shall stand (own hop already appended).
 * Large bodies are given out as they are; the rest is copied together, often into one piece.
 * Throws BH-E-LIMIT-MESSAGES, BH-E-LIMIT-HEADER, BH-E-LIMIT-BODY.
 */
export function writeEnvelope(boundary: string, messages: readonly RawMessage[]): Buffer[] {
  const writer = new PartWriter(boundary);
  addMessages(writer, messages);
  return writer.end();
}

/** Header and body part of each message. */
export function addMessages(writer: PartWriter, messages: readonly RawMessage[]): void {
  if (messages.length > LIMITS.messages)
    throw new BackhaulError('BH-E-LIMIT-MESSAGES', { detail: `${messages.length}` });
  for (const { id, headerBytes, body } of messages) {
    if (headerBytes.length > LIMITS.headerBytes) throw new BackhaulError('BH-E-LIMIT-HEADER', { detail: id });
    if (body.length > LIMITS.bodyBytes) throw new BackhaulError('BH-E-LIMIT-BODY', { detail: id });
    writer.add(`header.${id}`, headerBytes);
    writer.add(`body.${id}`, body);
  }
}

/** Bytes that one message adds to an envelope: for filling an envelope up to a number of bytes. */
export function envelopeBytesOf(headerBytes: number, bodyBytes: number): number {
  return headerBytes + bodyBytes + PART_OVERHEAD;
}

/** Two delimiters with a boundary of 48 characters, two header blocks, lengths of up to 7 digits. */
const PART_OVERHEAD = 330;
