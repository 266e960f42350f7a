import { promisify } from 'node:util';
import { gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from './limits.ts';

interface Bound {
  readonly maxOutputLength: number;
}

interface Unpack {
  readonly atOnce: (bytes: Buffer, bound: Bound) => Buffer;
  readonly aside: (bytes: Buffer, bound: Bound) => Promise<Buffer>;
}

const unpack: ReadonlyMap<string, Unpack> = new Map<string, Unpack>([
  ['gzip', { atOnce: gunzipSync, aside: promisify(gunzip) }],
  ['zstd', { atOnce: zstdDecompressSync, aside: promisify(zstdDecompress) }],
]);

/**
 * A body that is not larger than this, packed and unpacked, is unpacked on the spot: another thread costs a small one three times
 * its own work, and this much holds nobody up for more than about a millisecond (docs/performance.md).
 */
const AT_ONCE = { packed: 128 * 1024, unpacked: 1024 * 1024 } as const;

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
    const small = bytes.length <= AT_ONCE.packed ? decodeSmall(decode, bytes, maxBytes) : undefined;
    return small ?? (await decode.aside(bytes, { maxOutputLength: maxBytes }));
  } catch (cause) {
    throw refusalOf(cause, name, maxBytes);
  }
}

/** Undefined for what is larger when it is unpacked. */
function decodeSmall({ atOnce }: Unpack, bytes: Buffer, maxBytes: number): Buffer | undefined {
  try {
    return atOnce(bytes, { maxOutputLength: Math.min(maxBytes, AT_ONCE.unpacked) });
  } catch (error) {
    if (isTooLarge(error)) return undefined;
    throw error;
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';

function refusalOf(cause: unknown, name: string, maxBytes: number): BackhaulError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (isTooLarge(cause))
    return new BackhaulError('BH-E-LIMIT-INFLATE', { detail: `more than ${maxBytes} bytes`, cause });
  if (code === 'Z_BUF_ERROR') return new BackhaulError('BH-E-MIME-TRUNCATED', { detail: name, cause });
  return new BackhaulError('BH-E-MIME-FORM', { detail: `not ${name}`, cause });
}
