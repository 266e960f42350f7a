import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from './put-in-place.ts';

/** No room, or a file system without links: then an opening is as LevelDB makes it. */
const GO_ON_WITHOUT: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EMLINK', 'ENOTSUP', 'EPERM']);
/** in the folder of the second names: what they are */
const NAMES = 'names.json';
/** in the database: how many openings it has seen to their good end */
const OPENED = 'opened';
/** LevelDB's own notes and lock are no part of the database. */
const NO_PART: ReadonlySet<string> = new Set(['LOCK', 'LOG', 'LOG.old', NAMES]);

/**
 * LevelDB passes over a log that it cannot read and deletes it, so a disk that fails for one moment of an opening would cost what
 * was acknowledged. Therefore all files of the database have a second name in `<db>.before` while it is being opened: LevelDB changes
 * none of them, it only begins new ones and deletes old ones. What stands there counts, and `<db>` does not, as long as
 *
 *   it is whole        every name that `names.json` tells is there; otherwise its making or its removal was cut off, with `<db>` good
 *   it is not over     `<db>/opened` is not higher than `<db>.before/opened`; the higher one is synced before the first commit
 *
 * Nothing rests on the removal of anything being on disk: after a power cut any of it may be there again.
 */
export class BeforeOpening {
  readonly #directory: string;
  readonly #before: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#before = `${directory}.before`;
  }

  /** Ends what an opening before has left, and gives every file its second name. */
  async take(): Promise<void> {
    await this.putBack();
    const names = ((await unlessMissing(readdir(this.#directory))) ?? []).filter((name) => !NO_PART.has(name));
    if (names.length === 0) return;
    const made = `${this.#before}.new`;
    try {
      await rm(made, { recursive: true, force: true });
      await mkdir(made, { mode: 0o700 });
      await writeSynced(join(made, NAMES), JSON.stringify(names));
      for (const name of names) await link(join(this.#directory, name), join(made, name));
      await syncDirectory(made);
      await rename(made, this.#before);
      await syncDirectory(dirname(this.#directory));
    } catch (error) {
      for (const folder of [made, this.#before]) await rm(folder, { recursive: true, force: true });
      if (!GO_ON_WITHOUT.has((error as NodeJS.ErrnoException).code)) throw error;
    }
  }

  /** The opening came to no good end, unless it did: everything is as it was before. */
  async putBack(): Promise<void> {
    if (!(await exists(this.#before))) return;
    if ((await this.#isWhole()) && !(await this.#isOver())) {
      await rm(this.#directory, { recursive: true, force: true });
      await rename(this.#before, this.#directory);
      await syncDirectory(dirname(this.#directory));
      await rm(join(this.#directory, NAMES));
    } else await rm(this.#before, { recursive: true });
  }

  /** The database was opened whole: what stands in it counts from now on. */
  async forget(): Promise<void> {
    if (!(await exists(this.#before))) return;
    const opened = join(this.#directory, OPENED);
    await rm(opened, { force: true }); // it may be the same file as the one before
    await writeSynced(opened, String((await openedIn(this.#before)) + 1));
    await syncDirectory(this.#directory);
    await rm(this.#before, { recursive: true });
  }

  async #isWhole(): Promise<boolean> {
    const names = namesIn(await unlessMissing(readFile(join(this.#before, NAMES), 'utf8')));
    if (names === undefined) return false;
    for (const name of names) if (!(await exists(join(this.#before, name)))) return false;
    return true;
  }

  async #isOver(): Promise<boolean> {
    return (await openedIn(this.#directory)) > (await openedIn(this.#before));
  }
}

/** 0 when nothing says so. */
async function openedIn(directory: string): Promise<number> {
  const text = (await unlessMissing(readFile(join(directory, OPENED), 'utf8'))) ?? '';
  return /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 0;
}

/** Undefined when it was not written whole. */
function namesIn(text: string | undefined): readonly string[] | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as string[]);
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await unlessMissing(stat(path))) !== undefined;
}

/** Undefined when it is not there; a disk that fails says nothing of that. */
async function unlessMissing<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
