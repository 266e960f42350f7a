import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { Hop } from '../message.ts';
import { writeHop } from './write-header.ts';

const END = Buffer.from('</header>');

/**
 * Splices the own routing element in before `</header>`; everything else stays byte for byte [E2].
 * Throws BH-E-XML-FORM when the bytes do not end with `</header>`, BH-E-LIMIT-HEADER, BH-E-NAME, BH-E-XML-VALUE.
 */
export function appendHop(headerBytes: Uint8Array, hop: Hop): Buffer {
  checkEnd(headerBytes);
  const element = `${writeHop(hop)}</header>`;
  const size = headerBytes.length - END.length + element.length;
  if (size > LIMITS.headerBytes)
    throw new BackhaulError('BH-E-LIMIT-HEADER', { detail: `${size} bytes with this hop` });
  const result = Buffer.allocUnsafe(size);
  result.set(headerBytes, 0);
  result.write(element, headerBytes.length - END.length, 'latin1');
  return result;
}

/** A header part ends with exactly `</header>`. Throws BH-E-XML-FORM. */
export function checkEnd(headerBytes: Uint8Array): void {
  const start = headerBytes.length - END.length;
  for (let i = 0; i < END.length; i++)
    if (headerBytes[start + i] !== END[i])
      throw new BackhaulError('BH-E-XML-FORM', { detail: 'a header part ends with </header> and nothing after it' });
}
