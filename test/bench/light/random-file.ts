import { createHash, randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactFile } from '@backhaul/transport';

const CHUNK = 4 * 2 ** 20;

/** A file of random bytes in a folder, with its hash. */
export async function randomFile(folder: string, size: number): Promise<ArtifactFile> {
  const path = join(folder, 'artifact');
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    for (let left = size; left > 0; left -= CHUNK) {
      const bytes = randomFillSync(Buffer.allocUnsafe(Math.min(CHUNK, left)));
      hash.update(bytes);
      await file.write(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, size, sha256: hash.digest('hex') };
}
