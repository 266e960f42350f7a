import { BackhaulError } from '@backhaul/runtime';

/** First and last byte, both included, as HTTP counts them. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const SINGLE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * One range of `Range` (RFC 9110 §14). Undefined means the whole: no header, several ranges, or another unit.
 * Throws BH-E-BULK-RANGE when it lies outside.
 */
export function parseRange(value: string | undefined, size: number): ByteRange | undefined {
  const match = SINGLE.exec(value ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const range = match[1] === '' ? suffix(Number(match[2]), size) : fromTo(Number(match[1]), match[2]!, size);
  if (range.first > range.last || range.first >= size) {
    throw new BackhaulError('BH-E-BULK-RANGE', { detail: `the artifact has ${size} bytes` });
  }
  return range;
}

function suffix(length: number, size: number): ByteRange {
  return { first: Math.max(0, size - length), last: size - 1 };
}

function fromTo(first: number, last: string, size: number): ByteRange {
  return { first, last: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
