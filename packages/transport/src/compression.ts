import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';

export type Encoding = 'gzip' | 'zstd';

/** What every receiver says it takes, in `Backhaul-Accepts`. */
export const ACCEPTED_ENCODINGS = 'gzip, zstd';

/** Smaller bodies are not worth the work. */
export const COMPRESS_FROM_BYTES = 1024;

const pack = { gzip: promisify(gzip), zstd: promisify(zstdCompress) };

/** The better of what the other side announced; gzip is always understood. */
export function chooseEncoding(announced: string | undefined): Encoding {
  return /(^|[\s,])zstd($|[\s,;])/.test(announced ?? '') ? 'zstd' : 'gzip';
}

export async function compress(encoding: Encoding, bytes: Uint8Array): Promise<Buffer> {
  return encoding === 'gzip'
    ? await pack.gzip(bytes, { level: 1 })
    : await pack.zstd(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}
