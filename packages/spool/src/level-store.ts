import { join } from 'node:path';
import { type Clock, type Logger, toBackhaulError } from '@backhaul/runtime';
import { Ballast } from './ballast.ts';
import { CommitLoop } from './commit-loop.ts';
import { isDamage, stopped } from './level-errors.ts';
import { LevelFiles } from './level-files.ts';
import type { LevelValues } from './level-values.ts';
import type { Op, Store, StoreFinding, StoreStats } from './store.ts';

const DEFAULT_WRITE_BUFFER = 4 * 1024 * 1024;
/** Reopening writes the log again as a table, and two write buffers may be in memory. */
const BALLAST_WRITE_BUFFERS = 4;
const SPACE_CHECK_MS = 5_000;
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
 * - `recovering`: after any write error [R2], and when memory is found to be ahead of the disk (`reopen`). LevelDB would acknowledge, and lose, what is appended after a failed append; so every
 *   pending commit is rejected, the ballast freed, the database closed, reopened and verified (dropped log records, lost tail,
 *   the cores' own load). Reads work as soon as it is open again; commits only when all listeners are done.
 * - `failed`: reopening was given up. Only a new process may try again (exit 74).
 * Never `repair()` [R8].
 */
export class LevelStore implements Store {
  readonly name = 'level-store';
  readonly #options: LevelStoreOptions;
  readonly #ballast: Ballast;
  readonly #spaceCheckMs: number;
  readonly #files: LevelFiles;
  readonly #loop = new CommitLoop((ops) => this.#write(ops));
  readonly #findings: StoreFinding[] = [];
  readonly #reopened: (() => Promise<void>)[] = [];
  readonly #failed: ((error: unknown) => void)[] = [];
  readonly #stats = { syncs: 0, commits: 0, bytesWritten: 0, recoveries: 0 };
  #state: Store['state'] = 'closed';
  #accepting = true;
  #recovery: Promise<void> | undefined;
  #spaceCheck: Promise<void> | undefined;
  #spaceCheckedAt = Number.NEGATIVE_INFINITY;
  #stopping = new AbortController();

  constructor(options: LevelStoreOptions) {
    this.#options = options;
    const { directory, clock, writeBufferSize = DEFAULT_WRITE_BUFFER } = options;
    const ballastBytes = options.ballastBytes ?? BALLAST_WRITE_BUFFERS * writeBufferSize;
    this.#ballast = new Ballast(join(directory, 'ballast'), ballastBytes, options.reserveBytes);
    this.#files = new LevelFiles({ directory, clock, writeBufferSize, report: (finding) => this.report(finding) });
    this.#spaceCheckMs = options.spaceCheckMs ?? SPACE_CHECK_MS;
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
    await this.#open().catch(async (error) => {
      if (toBackhaulError(error).code === 'BH-E-SPOOL-LOCKED') throw error;
      await this.#ballast.free(); // opening needs space too
      await this.#open().catch(async (again) => {
        await this.#files.end(false);
        throw again;
      });
    });
    this.#state = 'open';
    this.#checkSpace();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#recovery;
    await this.#loop.idle();
    await this.#spaceCheck;
    const isClean = this.#state === 'open';
    this.#state = 'closed';
    await this.#files.close();
    await this.#files.end(isClean);
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

  /** What was submitted and not written yet is rejected; what is being written ends first. */
  reopen(cause: unknown): void {
    if (this.#state !== 'open') return;
    this.#stopTaking(cause, 'memory may be ahead of the disk; the store is closed, reopened and verified');
    this.#recovery = this.#loop.idle().then(() => this.#recover(cause));
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

  async #open(): Promise<void> {
    await this.#files.begin();
    await this.#files.open();
  }

  #readable(): LevelValues {
    const { values } = this.#files;
    if (values === undefined) throw stopped();
    return values;
  }

  async #write(ops: readonly Op[]): Promise<void> {
    if (this.#state !== 'open') throw stopped();
    try {
      this.#stats.bytesWritten += await this.#files.write(this.#readable(), ops);
    } catch (error) {
      if (this.#state === 'open') {
        this.#stopTaking(error, 'write failed; the store is closed, reopened and verified');
        this.#recovery = this.#recover(error);
      }
      throw stopped(error); // otherwise it was about to be reopened anyway
    }
    this.#stats.syncs += 1;
    this.#checkSpace();
  }

  #stopTaking(error: unknown, text: string): void {
    this.#state = 'recovering';
    this.#options.logger.error({ error, code: 'BH-E-SPOOL-STOPPED' }, text);
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
    await this.#files.close();
    for (const listener of this.#failed) listener(cause);
  }

  async #reopen(cause: unknown): Promise<void> {
    this.#accepting = false;
    await this.#spaceCheck;
    await this.#ballast.free(); // [R7]
    await this.#files.close();
    if (isDamage(cause)) await this.#files.salvage(cause);
    await this.#files.open();
    for (const listener of this.#reopened) await listener();
    this.#stats.recoveries += 1;
    this.#state = 'open';
    this.#options.logger.warn({ recoveries: this.#stats.recoveries }, 'the store is open again');
    this.#spaceCheckedAt = Number.NEGATIVE_INFINITY;
    this.#checkSpace();
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
}
