import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '@backhaul/runtime';
import { Level } from 'level';
import { BeforeOpening } from './before-opening.ts';
import { DirectoryLock } from './directory-lock.ts';
import { describeError, isDamage, isLocked, notOpened } from './level-errors.ts';
import { droppedLines, isUnread } from './level-log.ts';
import { LevelValues } from './level-values.ts';
import { isBlank, isHeadless, mendCurrent } from './mend-current.ts';
import { finishPutInPlace, syncDirectory } from './put-in-place.ts';
import { rescue } from './rescue.ts';
import { salvage } from './salvage.ts';
import type { Database } from './scan-pages.ts';
import { StartCount } from './start-count.ts';
import type { Op, StoreFinding } from './store.ts';
import { SyncedNames } from './synced-names.ts';
import { TailMark } from './tail-mark.ts';
import { verifyLogs } from './verify-logs.ts';
import { verifyTables } from './verify-tables.ts';

/** The third start without a clean stop in between reads every log and every block of every table first. */
const VERIFY_AT_START = 3;
/** Damaged databases that stay for a person to look at: the newest. */
const DAMAGED_KEPT = 3;

/**
 * What lies in the folder of a store: `db/` LevelDB, `db.before/` the same while it is being opened, `db.damaged-*` what had to be given up, `tail.mark`, `starts`, `lock/`.
 * Opening finds what LevelDB passes over in silence, and reports it [S7].
 */
export class LevelFiles {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #writeBufferSize: number;
  readonly #report: (finding: StoreFinding) => void;
  readonly #lock: DirectoryLock;
  readonly #mark: TailMark;
  readonly #starts: StartCount;
  readonly #names = new SyncedNames();
  readonly #before: BeforeOpening;
  #database: Database | undefined;
  #values: LevelValues | undefined;

  constructor(options: {
    directory: string;
    clock: Clock;
    writeBufferSize: number;
    report: (finding: StoreFinding) => void;
  }) {
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#writeBufferSize = options.writeBufferSize;
    this.#report = options.report;
    this.#lock = new DirectoryLock(join(options.directory, 'lock'));
    this.#mark = new TailMark(join(options.directory, 'tail.mark'), options.clock);
    this.#starts = new StartCount(join(options.directory, 'starts'));
    this.#before = new BeforeOpening(this.#db);
  }

  /** Undefined while the database is closed. */
  get values(): LevelValues | undefined {
    return this.#values;
  }

  /** Before the first opening of this process. Throws BH-E-SPOOL-LOCKED. */
  async begin(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#lock.acquire();
    await this.#before.putBack();
    await finishPutInPlace(this.#db);
    if ((await this.#starts.next()) < VERIFY_AT_START) return;
    // LevelDB does not check them, and would end the process over them
    const [logs, tables] = [await verifyLogs(this.#db), await verifyTables(this.#db)];
    for (const detail of [...logs, ...tables]) this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail });
    if (logs.length > 0) await this.#rescue(new Error(logs[0]));
    else if (tables.length > 0) await this.salvage(new Error(tables[0]));
    await this.#starts.restart();
  }

  /** Either whole, or everything is as it was before. Throws BH-E-SPOOL-STOPPED. */
  async open(): Promise<void> {
    try {
      await this.#before.take();
      const mended = await mendCurrent(this.#db);
      if (mended !== undefined) this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail: mended });
      this.#database = await this.#openOrRescue();
      this.#values = await this.#verify(this.#database);
      await this.#before.forget();
    } catch (error) {
      await this.close();
      if (isLocked(error)) await this.#before.forget();
      else await this.#before.putBack();
      throw notOpened(error);
    }
  }

  /** One synced batch, and the tail mark after it. */
  async write(values: LevelValues, ops: readonly Op[]): Promise<number> {
    const bytes = await values.write(ops);
    await this.#names.sync(() => this.#mark.touch(values.commits)); // [R9]
    this.#mark.write(values.commits); // [R6] after the sync, before the answer
    return bytes;
  }

  /** Closed: a new database with all that can be read takes the place of the damaged one. */
  async salvage(cause: unknown): Promise<void> {
    try {
      await salvage(this.#db, this.#keepAs(cause), (directory) => this.#openLevel(directory));
    } catch (error) {
      if (!isDamage(error)) throw error;
      await this.#rescue(error); // LevelDB cannot even open it
    }
    await this.#forgetOldest();
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    this.#values = undefined;
    await this.#mark.close();
    this.#names.close();
    await database?.close();
  }

  /** After the last closing of this process. */
  async end(isClean: boolean): Promise<void> {
    if (isClean) await this.#starts.clear();
    await this.#lock.release();
  }

  get #db(): string {
    return join(this.#directory, 'db');
  }

  async #openOrRescue(): Promise<Database> {
    if (await isHeadless(this.#db)) await this.#rescue(new Error('it has no manifest'));
    try {
      return await this.#openLevel(this.#db);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (await isBlank(this.#db)) await rm(this.#db, { recursive: true });
      else await this.#rescue(error);
      return this.#openLevel(this.#db);
    }
  }

  async #rescue(cause: unknown): Promise<void> {
    const { entries, damaged } = await rescue(this.#db, this.#keepAs(cause), (directory) => this.#openLevel(directory));
    const detail = `${entries} values were read from its tables and logs; ${damaged} of their blocks could not be`;
    this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail });
    await this.#forgetOldest();
  }

  /** A disk that fails again and again must not be filled by what it damaged. */
  async #forgetOldest(): Promise<void> {
    const kept = (await readdir(this.#directory)).filter((name) => name.startsWith('db.damaged-')).sort();
    for (const name of kept.slice(0, -DAMAGED_KEPT))
      await rm(join(this.#directory, name), { recursive: true, force: true });
  }

  async #openLevel(directory: string): Promise<Database> {
    const options = { valueEncoding: 'buffer', writeBufferSize: this.#writeBufferSize } as const;
    const database = new Level<string, Buffer>(directory, options);
    await database.open();
    return database as Database;
  }

  async #verify(database: Database): Promise<LevelValues> {
    this.#names.open(this.#db);
    const dropped = await droppedLines(this.#db); // [R5]
    const unread = dropped.find(isUnread);
    if (unread !== undefined) throw new Error(unread); // LevelDB goes on without it; we do not
    for (const detail of dropped) this.#report({ code: 'BH-E-SPOOL-GAP', detail });
    const values = new LevelValues(database, this.#report);
    await this.#compareTail(values);
    for (const path of [this.#db, this.#directory, dirname(this.#directory)]) await syncDirectory(path); // [R9]
    return values;
  }

  async #compareTail(values: LevelValues): Promise<void> {
    const commits = await values.loadCommits();
    const marked = this.#mark.open();
    if (marked === commits) return;
    if (marked === undefined && commits > 0)
      this.#report({
        code: 'BH-E-SPOOL-DAMAGED',
        detail: 'tail.mark cannot be read; whether the end of the log is missing is not known',
      });
    if (marked !== undefined && marked > commits)
      this.#report({
        code: 'BH-E-SPOOL-GAP',
        detail: `the database ends at commit ${commits}, acknowledged were ${marked}`,
      });
    this.#mark.writeNow(commits);
  }

  /** Damaged files are kept for a person, and work goes on without them: loudly. */
  #keepAs(error: unknown): string {
    const path = `${this.#db}.damaged-${this.#clock.now()}`;
    const detail = `the database is damaged (${describeError(error)}); kept as ${path}`;
    this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail });
    return path;
  }
}
