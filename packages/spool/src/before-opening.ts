import { existsSync } from 'node:fs';
import { link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from './put-in-place.ts';

/** LevelDB's own notes and lock are no part of the database. */
const NO_PART: ReadonlySet<string> = new Set(['LOCK', 'LOG', 'LOG.old']);
/** No room, or a file system without links: then an opening is as LevelDB makes it. */
const GO_ON_WITHOUT: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EMLINK', 'ENOTSUP', 'EPERM']);

/**
 * LevelDB passes over a log that it cannot read and deletes it, so a disk that fails for one moment of an opening would cost what
 * was acknowledged. Therefore all files of the database have a second name in `<db>.before` while it is being opened: LevelDB changes
 * none of them, it only begins new ones and deletes old ones. States:
 *
 *   no `<db>.before`   the database is as it was left, or was opened whole; only now may commits be taken
 *   `<db>.before`      an opening is going on, or came to no good end: what stands there counts, `<db>` does not
 *
 * Each change from one to the other is synced before the next step, so that no power cut brings an old one back over new commits.
 */
export class BeforeOpening {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Puts back what an opening before has left, and gives every file its second name. */
  async take(): Promise<void> {
    await this.putBack();
    const names = (await readdir(this.#directory).catch(() => [])).filter((name) => !NO_PART.has(name));
    if (names.length === 0) return;
    try {
      await rm(this.#unfinished, { recursive: true, force: true });
      await mkdir(this.#unfinished, { mode: 0o700 });
      for (const name of names) await link(join(this.#directory, name), join(this.#unfinished, name));
      await syncDirectory(this.#unfinished);
      await rename(this.#unfinished, this.#before);
      await syncDirectory(dirname(this.#directory));
    } catch (error) {
      await rm(this.#unfinished, { recursive: true, force: true });
      if (!GO_ON_WITHOUT.has((error as NodeJS.ErrnoException).code)) throw error;
    }
  }

  /** The opening came to no good end: everything is as it was before. */
  async putBack(): Promise<void> {
    if (!existsSync(this.#before)) return;
    await rm(this.#directory, { recursive: true, force: true });
    await rename(this.#before, this.#directory);
    await syncDirectory(dirname(this.#directory));
  }

  /** The database was opened whole, and what stands in it counts from now on. */
  async forget(): Promise<void> {
    if (!existsSync(this.#before)) return;
    await rm(this.#unfinished, { recursive: true, force: true });
    await rename(this.#before, this.#unfinished);
    await syncDirectory(dirname(this.#directory));
    await rm(this.#unfinished, { recursive: true, force: true });
  }

  get #before(): string {
    return `${this.#directory}.before`;
  }

  get #unfinished(): string {
    return `${this.#directory}.before.new`;
  }
}
