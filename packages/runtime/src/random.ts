import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';

/** The only place where dice are thrown. Everything else takes a `Random` by hand. */
export interface Random {
  /** 0 ≤ x < 1 */
  fraction(): number;
  bytes(length: number): Buffer;
}

/** One call of the generator costs far more than the bytes; small requests share one. Given bytes are never given again. */
const HANDFUL = 8 * 1024;
const SMALL = 256;
let handful = Buffer.alloc(0);
let used = 0;

function diced(length: number): Buffer {
  if (length > SMALL) return randomBytes(length);
  if (used + length > handful.length) {
    handful = randomBytes(HANDFUL);
    used = 0;
  }
  used += length;
  return handful.subarray(used - length, used);
}

export const systemRandom: Random = {
  fraction: () => diced(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: diced,
};

/** Crockford's base 32, lower case: no i, l, o, u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export function base32(bytes: Uint8Array): string {
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
  }
  if (bits > 0) text += ALPHABET[(value << (5 - bits)) & 31];
  return text;
}

/** 26 characters, sortable by the time they were made: 48 bits of time, 80 bits of dice. */
export function newId(clock: Clock, random: Random): string {
  let time = clock.now();
  let prefix = '';
  for (let i = 0; i < 10; i++) {
    prefix = ALPHABET[time % 32] + prefix;
    time = Math.floor(time / 32);
  }
  return prefix + base32(random.bytes(10));
}
