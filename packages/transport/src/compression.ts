import { promisify } from 'node:util';
import { constants, gzip, gzipSync, zstdCompress, zstdCompressSync } from 'node:zlib';

export type Encoding = 'gzip' | 'zstd';

/** What every receiver says it takes, in `Backhaul-Accepts`. */
export const ACCEPTED_ENCODINGS = 'gzip, zstd';

/** Smaller bodies are not worth the work. */
export const COMPRESS_FROM_BYTES = 1024;

/** Up to here on the spot: another thread costs a small body three times its own work (docs/performance.md). */
const AT_ONCE_BYTES = 64 * 1024;

const pack = { gzip: promisify(gzip), zstd: promisify(zstdCompress) };
const GZIP = { level: 1 };
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** The better of what the other side announced; gzip is always understood. */
export function chooseEncoding(announced: string | undefined): Encoding {
  return /(^|[\s,])zstd($|[\s,;])/.test(announced ?? '') ? 'zstd' : 'gzip';
}

export async function compress(encoding: Encoding, bytes: Uint8Array): Promise<Buffer> {
  if (bytes.length <= AT_ONCE_BYTES) return encoding === 'gzip' ? gzipSync(bytes, GZIP) : zstdCompressSync(bytes, ZSTD);
  return encoding === 'gzip' ? await pack.gzip(bytes, GZIP) : await pack.zstd(bytes, ZSTD);
}
