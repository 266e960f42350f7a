import { promisify } from 'node:util';
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib';
import { BackhaulError } from '@backhaul/runtime';

export type Encoding = 'gzip' | 'zstd';

/** What every receiver says it takes, in `Backhaul-Accepts`. */
export const ACCEPTED_ENCODINGS = 'gzip, zstd';

/** Smaller bodies are not worth the work. */
export const COMPRESS_FROM_BYTES = 1024;

const pack = { gzip: promisify(gzip), zstd: promisify(zstdCompress) };
const unpack = { gzip: promisify(gunzip), zstd: promisify(zstdDecompress) };

/** The better of what the other side announced; gzip is always understood. */
export function chooseEncoding(announced: string | undefined): Encoding {
  return /(^|[\s,])zstd($|[\s,;])/.test(announced ?? '') ? 'zstd' : 'gzip';
}

export async function compress(encoding: Encoding, bytes: Uint8Array): Promise<Buffer> {
  return encoding === 'gzip'
    ? await pack.gzip(bytes, { level: 1 })
    : await pack.zstd(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

/** Unpacks at most `limit` bytes [T-A34]. Throws BH-E-LIMIT-INFLATE, BH-E-MIME-TYPE, BH-E-MIME-TRUNCATED, BH-E-MIME-FORM. */
export async function decompress(encoding: string | undefined, bytes: Buffer, limit: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return bytes;
  if (encoding !== 'gzip' && encoding !== 'zstd') {
    throw new BackhaulError('BH-E-MIME-TYPE', { detail: `Content-Encoding may be ${ACCEPTED_ENCODINGS}` });
  }
  try {
    return await unpack[encoding](bytes, { maxOutputLength: limit });
  } catch (cause) {
    throw refusalOf(encoding, cause as NodeJS.ErrnoException, limit);
  }
}

function refusalOf(encoding: Encoding, cause: NodeJS.ErrnoException, limit: number): BackhaulError {
  if (cause.code === 'ERR_BUFFER_TOO_LARGE') {
    return new BackhaulError('BH-E-LIMIT-INFLATE', { detail: `more than ${limit} bytes`, cause });
  }
  const code = cause.code === 'Z_BUF_ERROR' ? 'BH-E-MIME-TRUNCATED' : 'BH-E-MIME-FORM';
  return new BackhaulError(code, { detail: encoding, cause });
}
