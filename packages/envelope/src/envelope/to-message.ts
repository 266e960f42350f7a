import { BackhaulError } from '@backhaul/runtime';
import { readHeader } from '../header/read-header.ts';
import type { Message, RawMessage } from '../message.ts';

/**
 * Reads the header of a message; its body stays bytes.
 * Throws what `readHeader` throws, BH-E-MIME-PART when the header names another id than its Content-ID.
 */
export function toMessage(raw: RawMessage): Message {
  const header = readHeader(raw.headerBytes);
  if (header.id !== raw.id)
    throw new BackhaulError('BH-E-MIME-PART', { detail: `the header of ${raw.id} says ${header.id}` });
  return { header, headerBytes: raw.headerBytes, body: raw.body };
}
