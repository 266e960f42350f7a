import { MemoryLevel } from 'memory-level';
import { bytesOf, CommitLoop } from './commit-loop.ts';
import { stopped } from './level-errors.ts';
import { LevelValues } from './level-values.ts';
import type { Database } from './scan-pages.ts';
import type { Op, Store, StoreFinding, StoreStats } from './store.ts';

/**
 * A store without a disk, for tests and simulation: what it "wrote" outlives `stop` and `crash`, nothing else does.
 * The same contract suite runs against it and against LevelStore.
 */
export class MemoryStore implements Store {
  readonly name = 'memory-store';
  accepting = true;
  #state: Store['state'] = 'closed';
  readonly #database: Database = new MemoryLevel<string, Buffer>({
    valueEncoding: 'buffer',
    storeEncoding: 'buffer',
  }) as never;
  readonly #findings: StoreFinding[] = [];
  readonly #values = new LevelValues(this.#database, (finding) => this.report(finding));
  readonly #reopened: (() => Promise<void>)[] = [];
  #loop = this.#newLoop();
  readonly #stats = { syncs: 0, commits: 0, bytesWritten: 0, recoveries: 0 };
  #failing = 0;

  get state(): Store['state'] {
    return this.#state;
  }

  async start(): Promise<void> {
    await this.#database.open();
    this.#state = 'open';
  }

  async stop(): Promise<void> {
    if (this.#state === 'closed') return;
    await this.#loop.idle();
    this.#state = 'closed';
  }

  /** The next `count` writes fail as on a full disk: nothing of them is kept. */
  failWrites(count: number): void {
    this.#failing = count;
  }

  /** Loses every commit that is not written yet, as kill -9 does. `start` again, then load the cores. */
  crash(): void {
    this.#state = 'closed';
    this.#loop = this.#newLoop();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#mustBeReadable();
    return this.#values.get(key);
  }

  getSync(key: string): Uint8Array | undefined {
    this.#mustBeReadable();
    return this.#values.getSync(key);
  }

  scan(prefix: string, options?: { after?: string; limit?: number }): AsyncIterable<readonly [string, Uint8Array]> {
    this.#mustBeReadable();
    return this.#values.scan(prefix, options);
  }

  async commit(ops: readonly Op[]): Promise<void> {
    if (this.#state !== 'open') throw stopped();
    this.#stats.commits += 1;
    await this.#loop.submit(ops);
  }

  reopen(): void {
    if (this.#state !== 'open') return;
    this.#state = 'recovering';
    void this.#loop.idle().then(() => this.#recover());
  }

  onReopened(listener: () => Promise<void>): void {
    this.#reopened.push(listener);
  }

  /** Never called: there is no disk to give up on. */
  onFailed(): void {}

  report(finding: StoreFinding): void {
    this.#findings.push(finding);
  }

  findings(): readonly StoreFinding[] {
    return this.#findings;
  }

  stats(): StoreStats {
    return { ...this.#stats };
  }

  #newLoop(): CommitLoop {
    const loop: CommitLoop = new CommitLoop((ops) => this.#write(ops, loop));
    return loop;
  }

  async #write(ops: readonly Op[], loop: CommitLoop): Promise<void> {
    if (this.#state !== 'open' || loop !== this.#loop) throw stopped();
    if (this.#failing > 0) {
      this.#failing -= 1;
      this.#state = 'recovering';
      void this.#recover();
      throw stopped();
    }
    this.#stats.bytesWritten += bytesOf(ops);
    await this.#values.write(ops);
    this.#stats.syncs += 1;
  }

  async #recover(): Promise<void> {
    for (const listener of this.#reopened) await listener();
    this.#stats.recoveries += 1;
    if (this.#state === 'recovering') this.#state = 'open';
  }

  #mustBeReadable(): void {
    if (this.#state !== 'open' && this.#state !== 'recovering') throw stopped();
  }
}
