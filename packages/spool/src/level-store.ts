import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BackhaulError, type Clock, type Logger, toBackhaulError } from '@backhaul/runtime';
import { Level } from 'level';
import { Ballast } from './ballast.ts';
import { CommitLoop } from './commit-loop.ts';
import { describeError, isDamage, isLocked, stopped } from './level-errors.ts';
import { droppedLines } from './level-log.ts';
import { LevelValues } from './level-values.ts';
import { mendCurrent } from './mend-current.ts';
import { salvage } from './salvage.ts';
import type { Database } from './scan-pages.ts';
import { StartCount } from './start-count.ts';
import type { Op, Store, StoreFinding, StoreStats } from './store.ts';
import { TailMark } from './tail-mark.ts';
import { verifyTables } from './verify-tables.ts';

const DEFAULT_WRITE_BUFFER = 4 * 1024 * 1024;
/** Reopening writes the log again as a table, and two write buffers may be in memory. */
const BALLAST_WRITE_BUFFERS = 4;
const SPACE_CHECK_MS = 5_000;
/** The third start without a clean stop in between reads every block of every table first. */
const VERIFY_AT_START = 3;
const FINDINGS_KEPT = 1_000;

export interface LevelStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** held back for recovery; 0: none. Default four write buffers */
  readonly ballastBytes?: number;
  /** free disk space below which nothing new is accepted. Default 5 %, at least 256 MiB, at most 1 GiB */
  readonly reserveBytes?: number;
  /** how often free space is looked at, at most. Default 5 s */
  readonly spaceCheckMs?: number;
  readonly writeBufferSize?: number;
  /** after a write error: how often to try reopening, and how long to wait in between. Default 30 times, 2 s */
  readonly reopen?: { readonly tries: number; readonly waitMs: number };
}

/**
 * LevelDB with the guards of DESIGN §4. States:
 * - `closed`: before start, after stop.
 * - `open`: commits are taken; each is one synced batch with its number, which the tail mark repeats.
 * - `recovering`: after any write error [R2]. LevelDB would acknowledge, and lose, what is appended after a failed append; so every
 *   pending commit is rejected, the ballast freed, the database closed, reopened and verified (dropped log records, lost tail,
 *   the cores' own load). Reads work as soon as it is open again; commits only when all listeners are done.
 * - `failed`: reopening was given up. Only a new process may try again (exit 74).
 * Never `repair()` [R8].
 */
export class LevelStore implements Store {
  readonly name = 'level-store';
  readonly #options: LevelStoreOptions;
  readonly #databaseDirectory: string;
  readonly #ballast: Ballast;
  readonly #spaceCheckMs: number;
  readonly #mark: TailMark;
  readonly #starts: StartCount;
  readonly #loop = new CommitLoop((ops) => this.#write(ops));
  readonly #findings: StoreFinding[] = [];
  readonly #reopened: (() => Promise<void>)[] = [];
  readonly #failed: ((error: unknown) => void)[] = [];
  readonly #stats = { syncs: 0, commits: 0, bytesWritten: 0, recoveries: 0 };
  #state: Store['state'] = 'closed';
  #accepting = true;
  #database: Database | undefined;
  #values: LevelValues | undefined;
  #recovery: Promise<void> | undefined;
  #spaceCheck: Promise<void> | undefined;
  #spaceCheckedAt = Number.NEGATIVE_INFINITY;
  #stopping = new AbortController();

  constructor(options: LevelStoreOptions) {
    this.#options = options;
    this.#databaseDirectory = join(options.directory, 'db');
    const ballastBytes =
      options.ballastBytes ?? BALLAST_WRITE_BUFFERS * (options.writeBufferSize ?? DEFAULT_WRITE_BUFFER);
    this.#ballast = new Ballast(join(options.directory, 'ballast'), ballastBytes, options.reserveBytes);
    this.#spaceCheckMs = options.spaceCheckMs ?? SPACE_CHECK_MS;
    this.#mark = new TailMark(join(options.directory, 'tail.mark'));
    this.#starts = new StartCount(join(options.directory, 'starts'));
  }

  get state(): Store['state'] {
    return this.#state;
  }

  get accepting(): boolean {
    this.#checkSpace();
    return this.#accepting;
  }

  /** Throws BH-E-SPOOL-LOCKED when another process holds the folder. */
  async start(): Promise<void> {
    this.#stopping = new AbortController();
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    if ((await this.#starts.next()) >= VERIFY_AT_START) await this.#verifyTables();
    await this.#openVerified().catch(async (error) => {
      if (toBackhaulError(error).code === 'BH-E-SPOOL-LOCKED') throw error;
      await this.#ballast.free(); // opening needs space too
      await this.#openVerified();
    });
    this.#state = 'open';
    this.#checkSpace();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#recovery;
    await this.#loop.idle();
    await this.#spaceCheck;
    if (this.#state === 'open') await this.#starts.clear();
    this.#state = 'closed';
    await this.#close();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#readable().get(key);
  }

  getSync(key: string): Uint8Array | undefined {
    return this.#readable().getSync(key);
  }

  scan(prefix: string, options?: { after?: string; limit?: number }): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#readable().scan(prefix, options);
  }

  async commit(ops: readonly Op[]): Promise<void> {
    if (this.#state !== 'open') throw stopped();
    this.#stats.commits += 1;
    await this.#loop.submit(ops);
  }

  onReopened(listener: () => Promise<void>): void {
    this.#reopened.push(listener);
  }

  onFailed(listener: (error: unknown) => void): void {
    this.#failed.push(listener);
  }

  report(finding: StoreFinding): void {
    this.#options.logger.error(finding, 'the store is not whole');
    if (this.#findings.length < FINDINGS_KEPT) this.#findings.push(finding);
  }

  findings(): readonly StoreFinding[] {
    return this.#findings;
  }

  stats(): StoreStats {
    return { ...this.#stats };
  }

  #readable(): LevelValues {
    if (this.#values === undefined) throw stopped();
    return this.#values;
  }

  async #write(ops: readonly Op[]): Promise<void> {
    if (this.#state !== 'open' || this.#values === undefined) throw stopped();
    try {
      this.#stats.bytesWritten += await this.#values.write(ops);
      this.#mark.write(this.#values.commits); // [R6] after the sync, before the answer
    } catch (error) {
      this.#state = 'recovering';
      this.#options.logger.error(
        { error, code: 'BH-E-SPOOL-STOPPED' },
        'write failed; the store is closed, reopened and verified',
      );
      this.#recovery = this.#recover(error);
      throw stopped(error);
    }
    this.#stats.syncs += 1;
    this.#checkSpace();
  }

  async #recover(cause: unknown): Promise<void> {
    const { tries, waitMs } = this.#options.reopen ?? { tries: 30, waitMs: 2_000 };
    for (let attempt = 1; attempt <= tries && !this.#stopping.signal.aborted; attempt += 1) {
      try {
        await this.#reopen(cause);
        return;
      } catch (error) {
        this.#options.logger.error({ error, attempt, tries }, 'the store could not be reopened');
        cause = error;
        await this.#options.clock.sleep(waitMs, this.#stopping.signal);
      }
    }
    if (this.#stopping.signal.aborted) return;
    this.#state = 'failed';
    await this.#close();
    for (const listener of this.#failed) listener(cause);
  }

  async #reopen(cause: unknown): Promise<void> {
    this.#accepting = false;
    await this.#spaceCheck;
    await this.#ballast.free(); // [R7]
    await this.#close();
    if (isDamage(cause)) await salvage(this.#databaseDirectory, this.#keepAs(cause), this.#openLevel);
    await this.#openVerified();
    for (const listener of this.#reopened) await listener();
    this.#stats.recoveries += 1;
    this.#state = 'open';
    this.#options.logger.warn(
      { commits: this.#values?.commits, recoveries: this.#stats.recoveries },
      'the store is open again',
    );
    this.#spaceCheckedAt = Number.NEGATIVE_INFINITY;
    this.#checkSpace();
  }

  async #openVerified(): Promise<void> {
    this.#database = await this.#openDatabase();
    try {
      await this.#verify(this.#database);
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  async #verify(database: Database): Promise<void> {
    await syncDirectory(this.#databaseDirectory); // [R9]
    await syncDirectory(this.#options.directory);
    await syncDirectory(dirname(this.#options.directory));
    for (const line of await droppedLines(this.#databaseDirectory))
      this.report({ code: 'BH-E-SPOOL-GAP', detail: line }); // [R5]
    const values = new LevelValues(database, (finding) => this.report(finding));
    await this.#compareTail(values);
    this.#values = values;
  }

  /** What LevelDB does not check, and would end the process over. */
  async #verifyTables(): Promise<void> {
    const found = await verifyTables(this.#databaseDirectory);
    for (const detail of found) this.report({ code: 'BH-E-SPOOL-DAMAGED', detail });
    if (found.length > 0) await salvage(this.#databaseDirectory, this.#keepAs(new Error(found[0])), this.#openLevel);
    await this.#starts.restart();
  }

  async #compareTail(values: LevelValues): Promise<void> {
    const commits = await values.loadCommits();
    const marked = this.#mark.open();
    if (commits >= marked) return;
    this.report({
      code: 'BH-E-SPOOL-GAP',
      detail: `the database ends at commit ${commits}, acknowledged were ${marked}`,
    });
    this.#mark.write(commits);
  }

  async #openDatabase(): Promise<Database> {
    const mended = await mendCurrent(this.#databaseDirectory);
    if (mended !== undefined) this.report({ code: 'BH-E-SPOOL-DAMAGED', detail: mended });
    try {
      return await this.#openLevel(this.#databaseDirectory);
    } catch (error) {
      if (isLocked(error)) throw new BackhaulError('BH-E-SPOOL-LOCKED', { cause: error });
      if (!isDamage(error)) throw error;
      await rename(this.#databaseDirectory, this.#keepAs(error));
      return this.#openLevel(this.#databaseDirectory);
    }
  }

  #openLevel = async (directory: string): Promise<Database> => {
    const { writeBufferSize = DEFAULT_WRITE_BUFFER } = this.#options;
    const database = new Level<string, Buffer>(directory, { valueEncoding: 'buffer', writeBufferSize });
    await database.open();
    return database as Database;
  };

  /** Damaged files are kept for a person, and work goes on without them: loudly. */
  #keepAs(error: unknown): string {
    const path = `${this.#databaseDirectory}.damaged-${this.#options.clock.now()}`;
    this.report({
      code: 'BH-E-SPOOL-DAMAGED',
      detail: `the database is damaged (${describeError(error)}); kept as ${path}`,
    });
    return path;
  }

  #checkSpace(): void {
    const now = this.#options.clock.monotonic();
    if (this.#state !== 'open' || this.#spaceCheck !== undefined || now - this.#spaceCheckedAt < this.#spaceCheckMs)
      return;
    this.#spaceCheckedAt = now;
    this.#spaceCheck = this.#ballast
      .ensure()
      .then((enough) => this.#setAccepting(enough))
      .catch((error) => this.#options.logger.warn({ error }, 'free disk space cannot be read'))
      .finally(() => (this.#spaceCheck = undefined));
  }

  #setAccepting(enough: boolean): void {
    if (enough === this.#accepting || this.#state !== 'open') return;
    this.#accepting = enough;
    if (enough) this.#options.logger.info({}, 'there is disk space again; new messages are accepted');
    else this.#options.logger.warn({}, 'disk space is short; nothing new is accepted until there is room');
  }

  async #close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    this.#values = undefined;
    this.#mark.close();
    await database?.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
