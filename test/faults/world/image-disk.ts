import { execFile } from 'node:child_process';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programPath } from '@backhaul/testkit';

const run = promisify(execFile);

/** Five lines of the file system's own test suite: EXT4_IOC_SHUTDOWN, flag 2: what is not in the journal is gone. */
const SHUT_DOWN =
  'open(my $d, "<", $ARGV[0]) or die "$!"; my $how = pack("I", 2); ioctl($d, 0x8004587d, $how) or die "$!"';
const PROGRAMS = ['mount', 'umount', 'mkfs.ext4', 'perl', 'fallocate'];

/** Why there can be no image disks here; undefined when there can. */
export function missingForImageDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting a disk image needs root';
  const lacking = PROGRAMS.find((program) => programPath(program) === undefined);
  return lacking === undefined ? undefined : `the program ${lacking} is not installed`;
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
  #mounted = false;

  private constructor(mount: string, image: string) {
    this.#mount = mount;
    this.#image = image;
    this.path = join(mount, 'data');
  }

  /** @param mebibytes of the image, taken as it is written to */
  static async make(image: string, mount: string, mebibytes: number): Promise<ImageDisk> {
    const file = await open(image, 'w');
    await file.truncate(mebibytes * 1024 * 1024);
    await file.close();
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    await mkdir(mount, { recursive: true });
    const disk = new ImageDisk(mount, image);
    await disk.mount();
    await mkdir(disk.path);
    return disk;
  }

  /** Replays the journal of the file system, as after any power cut. The kernel writes back late, so that much is unsynced. */
  async mount(): Promise<void> {
    await run('mount', ['-o', 'loop,commit=60', this.#image, this.#mount]);
    this.#mounted = true;
  }

  /** Nothing reaches the disk from now on; whoever writes to it gets an error. */
  async cutPower(): Promise<void> {
    await run('perl', ['-e', SHUT_DOWN, this.#mount]);
  }

  /** Whoever has it open must be gone. */
  async unmount(): Promise<void> {
    if (!this.#mounted) return;
    await run('umount', [this.#mount]);
    this.#mounted = false;
  }

  /** Takes space away until about `leaveBytes` are free. */
  async fill(leaveBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#mount);
    const bytes = bavail * bsize - leaveBytes;
    if (bytes > 0) await run('fallocate', ['-l', String(bytes), join(this.#mount, 'filler')]);
  }

  /** Gives back what `fill` took. */
  async free(): Promise<void> {
    await rm(join(this.#mount, 'filler'), { force: true });
  }

  async remove(): Promise<void> {
    if (this.#mounted) await run('umount', ['-l', this.#mount]).catch(() => undefined);
    this.#mounted = false;
    await rm(this.#image, { force: true });
  }
}
