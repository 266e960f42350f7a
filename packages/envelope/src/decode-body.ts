import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from './limits.ts';

const unzip = promisify(gunzip);

/**
 * A request or reply body as its `Content-Encoding` says: none, `identity` or `gzip`; one at most.
 * Throws BH-E-LIMIT-INFLATE when it unpacks to more than `maxBytes` (never holding more), BH-E-MIME-TYPE for another encoding,
 * BH-E-MIME-TRUNCATED, BH-E-MIME-FORM for bytes that are not gzip.
 */
export async function decodeBody(
  encoding: string | undefined,
  bytes: Buffer,
  maxBytes: number = LIMITS.envelopeBytes,
): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? 'identity';
  if (name === 'identity' || name === '') return bytes;
  if (name !== 'gzip')
    throw new BackhaulError('BH-E-MIME-TYPE', { detail: `Content-Encoding ${name.slice(0, 32)}; gzip is taken` });
  try {
    return await unzip(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw refusalOf(cause, maxBytes);
  }
}

function refusalOf(cause: unknown, maxBytes: number): BackhaulError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_BUFFER_TOO_LARGE')
    return new BackhaulError('BH-E-LIMIT-INFLATE', { detail: `more than ${maxBytes} bytes`, cause });
  if (code === 'Z_BUF_ERROR') return new BackhaulError('BH-E-MIME-TRUNCATED', { detail: 'gzip', cause });
  return new BackhaulError('BH-E-MIME-FORM', { detail: 'not gzip', cause });
}
