import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from './limits.ts';

type Unpack = (bytes: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const unpack: ReadonlyMap<string, Unpack> = new Map<string, Unpack>([
  ['gzip', promisify(gunzip)],
  ['zstd', promisify(zstdDecompress)],
]);

/**
 * A request or reply body as its `Content-Encoding` says: none, `identity`, `gzip` or `zstd`; one at most.
 * Throws BH-E-LIMIT-INFLATE when it unpacks to more than `maxBytes` (never holding more) [T-A34], BH-E-MIME-TYPE for another
 * encoding, BH-E-MIME-TRUNCATED, BH-E-MIME-FORM for bytes that are not what the encoding says.
 */
export async function decodeBody(
  encoding: string | undefined,
  bytes: Buffer,
  maxBytes: number = LIMITS.envelopeBytes,
): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? 'identity';
  if (name === 'identity' || name === '') return bytes;
  const decode = unpack.get(name);
  if (decode === undefined) {
    const known = [...unpack.keys()].join(', ');
    throw new BackhaulError('BH-E-MIME-TYPE', { detail: `Content-Encoding ${name.slice(0, 32)}; taken: ${known}` });
  }
  try {
    return await decode(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw refusalOf(cause, name, maxBytes);
  }
}

function refusalOf(cause: unknown, name: string, maxBytes: number): BackhaulError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_BUFFER_TOO_LARGE')
    return new BackhaulError('BH-E-LIMIT-INFLATE', { detail: `more than ${maxBytes} bytes`, cause });
  if (code === 'Z_BUF_ERROR') return new BackhaulError('BH-E-MIME-TRUNCATED', { detail: name, cause });
  return new BackhaulError('BH-E-MIME-FORM', { detail: `not ${name}`, cause });
}
