import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atExit, programPath } from '@backhaul/testkit';

const run = promisify(execFile);

/** Five lines of the file system's own test suite: EXT4_IOC_SHUTDOWN, flag 2: what is not in the journal is gone. */
const SHUT_DOWN =
  'open(my $d, "<", $ARGV[0]) or die "$!"; my $how = pack("I", 2); ioctl($d, 0x8004587d, $how) or die "$!"';
const FINE_BYTES = 2 * 1024 * 1024;
const STEP_BYTES = 16 * 1024;
const UNMOUNT_TRIES = 40;
const FILL_TRIES = 5;
const PROGRAMS = ['mount', 'umount', 'mkfs.ext4', 'perl', 'fallocate'];

let probed: Promise<string | undefined> | undefined;

/** Why there can be no image disks here; undefined when there can. Tried once. */
export function missingForImageDisk(): Promise<string | undefined> {
  probed ??= probe();
  return probed;
}

async function probe(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'mounting a disk image needs root';
  const lacking = PROGRAMS.find((program) => programPath(program) === undefined);
  if (lacking !== undefined) return `the program ${lacking} is not installed`;
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-probe-'));
  try {
    const disk = await ImageDisk.make(join(folder, 'image'), join(folder, 'mount'), 8);
    await disk.cutPower().finally(() => disk.remove());
    return undefined;
  } catch (error) {
    return `disk images cannot be mounted here (${(error as Error).message.trim().split('\n').at(-1)})`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A disk of its own for one tier: ext4 in an image file. It can be full, and its power can be cut: what was written and not
 * synced is gone then, which a kill -9 never shows.
 */
export class ImageDisk {
  /** a folder on it */
  readonly path: string;
  readonly #mount: string;
  readonly #image: string;
  readonly #options: string;
  #mounted = false;
  #takeBack = (): void => {};

  private constructor(mount: string, image: string, options: string) {
    this.#mount = mount;
    this.#image = image;
    this.#options = options;
    this.path = join(mount, 'data');
  }

  /**
   * @param mebibytes of the image, taken as it is written to
   * @param options of the mount, after those that are always given: `data=writeback`
   */
  static async make(image: string, mount: string, mebibytes: number, options = 'data=ordered'): Promise<ImageDisk> {
    const file = await open(image, 'w');
    await file.truncate(mebibytes * 1024 * 1024);
    await file.close();
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    await mkdir(mount, { recursive: true });
    const disk = new ImageDisk(mount, image, options);
    await disk.mount();
    await mkdir(disk.path);
    return disk;
  }

  /** Replays the journal of the file system, as after any power cut. The kernel writes back late, so that much is unsynced. */
  async mount(): Promise<void> {
    await run('mount', ['-o', `loop,commit=60,${this.#options}`, this.#image, this.#mount]);
    this.#mounted = true;
    this.#takeBack = atExit(() => spawnSync('umount', ['-l', this.#mount]));
  }

  /** Nothing reaches the disk from now on; whoever writes to it gets an error. */
  async cutPower(): Promise<void> {
    await run('perl', ['-e', SHUT_DOWN, this.#mount]);
  }

  /** Whoever had it open must have ended; the kernel may be a moment late in letting go. */
  async unmount(): Promise<void> {
    for (let tries = 1; this.#mounted; tries++) {
      try {
        await run('umount', [this.#mount]);
        this.#forget();
      } catch (error) {
        if (tries === UNMOUNT_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Everything written so far is on the disk. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.#mount]);
  }

  /** Takes space away until about `leaveBytes` are free. */
  async fill(leaveBytes: number): Promise<void> {
    const filler = join(this.#mount, 'filler');
    await this.#fillCoarsely(filler, leaveBytes);
    const file = await open(filler, 'a');
    try {
      // the last bytes one by one: what the file system keeps for itself is known only when there is no more
      while ((await this.#freeBytes()) > leaveBytes) await file.write(Buffer.alloc(STEP_BYTES, 1));
      await file.datasync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }

  /** Whoever writes there takes space meanwhile, so that there may be less than was seen a moment ago. */
  async #fillCoarsely(filler: string, leaveBytes: number): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const bytes = (await this.#freeBytes()) - leaveBytes - FINE_BYTES;
      if (bytes <= 0) return;
      try {
        return void (await run('fallocate', ['-l', String(bytes), filler]));
      } catch (error) {
        if (tries === FILL_TRIES) throw error;
        await this.free();
      }
    }
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#mount);
    return bavail * bsize;
  }

  /** Gives back what `fill` took. */
  async free(): Promise<void> {
    await rm(join(this.#mount, 'filler'), { force: true });
  }

  async remove(): Promise<void> {
    if (this.#mounted) await run('umount', ['-l', this.#mount]).catch(() => undefined);
    this.#forget();
    await rm(this.#image, { force: true });
  }

  #forget(): void {
    this.#mounted = false;
    this.#takeBack();
  }
}
