import { closeSync, fstatSync, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const sync = promisify(fsync);

/**
 * LevelDB begins a new log without syncing its folder (it does so only for the manifest, some time later). Bytes that are synced into
 * a file whose name is not on disk yet are gone after a power cut, so the folder is synced before the commit is answered [R9].
 *
 * That names have changed shows in the folder's time of change, which is as coarse as a tick of the kernel: a time counts as settled
 * only when a file written after it carries a later one; until then the folder is synced again with each commit.
 */
export class SyncedNames {
  #folder: number | undefined;
  #settled: bigint | undefined;

  /** The folder must be there. */
  open(folder: string): void {
    this.close();
    this.#folder = openSync(folder, 'r');
  }

  /** After a commit: its log has a name on disk. `touch` writes some file of this disk and returns its time of change. */
  async sync(touch: () => bigint): Promise<void> {
    if (this.#folder === undefined) return;
    const changed = fstatSync(this.#folder, { bigint: true }).mtimeNs;
    if (changed === this.#settled) return;
    await sync(this.#folder);
    this.#settled = touch() > changed ? changed : undefined;
  }

  close(): void {
    if (this.#folder !== undefined) closeSync(this.#folder);
    this.#folder = undefined;
    this.#settled = undefined;
  }
}
