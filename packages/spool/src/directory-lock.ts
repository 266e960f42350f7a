import { rm } from 'node:fs/promises';
import { BackhaulError } from '@backhaul/runtime';
import { Level } from 'level';
import { isLocked } from './level-errors.ts';

/**
 * One process per folder, from before anything in it is looked at until the end. Node has no file locks, LevelDB has one: an empty
 * database holds it.
 */
export class DirectoryLock {
  readonly #path: string;
  #holder: Level | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws BH-E-SPOOL-LOCKED when another process (or another store here) holds it. */
  async acquire(): Promise<void> {
    if (this.#holder !== undefined) return;
    await this.#open().catch(async (error) => {
      if (isLocked(error)) throw new BackhaulError('BH-E-SPOOL-LOCKED', { detail: this.#path, cause: error });
      await rm(this.#path, { recursive: true, force: true }); // there is nothing in it to lose
      await this.#open();
    });
  }

  async release(): Promise<void> {
    const holder = this.#holder;
    this.#holder = undefined;
    await holder?.close();
  }

  async #open(): Promise<void> {
    const holder = new Level(this.#path);
    await holder.open();
    this.#holder = holder;
  }
}
