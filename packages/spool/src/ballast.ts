import { createHash } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

const BLOCK_BYTES = 1024 * 1024;

/** A file that holds disk space until it is needed: opening and deleting in LevelDB need space too [R7]. */
export class Ballast {
  readonly #path: string;
  readonly #bytes: number;
  readonly #reserveBytes: number | undefined;

  constructor(path: string, bytes: number, reserveBytes: number | undefined) {
    this.#path = path;
    this.#bytes = bytes;
    this.#reserveBytes = reserveBytes;
  }

  /** True when the space is held and the reserve is free beside it. Makes the file when there is room for it. */
  async ensure(): Promise<boolean> {
    if (await this.#isHeld()) return this.#hasReserve(0);
    if (!(await this.#hasReserve(this.#bytes))) return false;
    try {
      await this.#make();
      return true;
    } catch {
      await this.free();
      return false;
    }
  }

  async free(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async #isHeld(): Promise<boolean> {
    const found = await stat(this.#path).catch(() => undefined);
    return (found?.size ?? 0) >= this.#bytes;
  }

  async #hasReserve(more: number): Promise<boolean> {
    const disk = await statfs(dirname(this.#path));
    return disk.bavail * disk.bsize >= more + (this.#reserveBytes ?? defaultReserve(disk.blocks * disk.bsize));
  }

  async #make(): Promise<void> {
    const block = createHash('shake256', { outputLength: BLOCK_BYTES }).update('ballast').digest(); // does not compress
    const file = await open(this.#path, 'w', 0o600);
    try {
      for (let at = 0; at < this.#bytes; at += BLOCK_BYTES)
        await file.write(block, 0, Math.min(BLOCK_BYTES, this.#bytes - at));
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** max(256 MiB, 5 %), but no more than 1 GiB: a large disk needs no larger reserve. */
function defaultReserve(diskBytes: number): number {
  return Math.min(Math.max(256 * 1024 ** 2, diskBytes * 0.05), 1024 ** 3);
}
