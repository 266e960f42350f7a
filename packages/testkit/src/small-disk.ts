import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const TRIES = 5;

export interface SmallDisk {
  /** a folder on it */
  readonly path: string;
  /** Takes space away until about `leaveBytes` are free. */
  fill(leaveBytes: number): Promise<void>;
  /** Gives back what `fill` took. */
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** A tmpfs of a few MiB that can be full. Needs root: `need(this, 'root', 'a small tmpfs')`. */
export async function smallDisk(mebibytes: number): Promise<SmallDisk> {
  const mount = await mkdtemp(join(tmpdir(), 'backhaul-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', mount]);
  const path = join(mount, 'data');
  const filler = join(mount, 'filler');
  await mkdir(path);
  const free = (): Promise<void> => rm(filler, { force: true });
  return {
    path,
    free,
    fill: async (leaveBytes) => {
      for (let left = TRIES; ; left -= 1) {
        const { bavail, bsize } = await statfs(mount);
        const bytes = Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes), 1);
        const isFilled = await writeFile(filler, bytes).then(
          () => true,
          (error) => {
            if (left === 0) throw error;
            return false; // somebody else took space meanwhile: measure again
          },
        );
        if (isFilled) return;
        await free();
      }
    },
    remove: async () => {
      await run('umount', ['-l', mount]);
      await rmdir(mount);
    },
  };
}
