import { BackhaulError } from '@backhaul/runtime';
import type { Op, Store, StoreFinding, StoreStats } from '@backhaul/spool';
import type { Incarnation } from './incarnation.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimRandom } from './sim-random.ts';

/** How a disk behaves now. */
export interface DiskConditions {
  /** a write takes so long, ms */
  writeMs(): number;
  /** what becomes of a write */
  outcome: () => 'done' | 'failed' | 'failed-but-written';
  readonly accepting: boolean;
}

/** How long closing, reopening and verifying take. */
const REOPEN_MS = 2_000;

interface Pending {
  readonly ops: readonly Op[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * A store over a simulated disk, with the states of LevelStore: one write at a time, the next one with all that has arrived by
 * then; after a failed write, and when it is told to reopen, everything that waits is refused, the store is reopened, the cores
 * load again, and only then commits are taken. A crash keeps what was written; the write under way is kept or lost, whole.
 */
export class SimStore implements Store {
  readonly name = 'sim-store';
  readonly #disk: SimDisk;
  readonly #life: Incarnation;
  readonly #random: SimRandom;
  /** how the disk under it behaves */
  readonly conditions: DiskConditions;
  readonly #findings: StoreFinding[] = [];
  readonly #reopened: (() => Promise<void>)[] = [];
  readonly #stats = { syncs: 0, commits: 0, bytesWritten: 0, recoveries: 0 };
  #state: Store['state'] = 'closed';
  #isReadable = true;
  #waiting: Pending[] = [];
  #writing: readonly Pending[] | undefined;
  #idle: (() => void)[] = [];

  constructor(options: { disk: SimDisk; life: Incarnation; random: SimRandom; conditions: DiskConditions }) {
    this.#disk = options.disk;
    this.#life = options.life;
    this.#random = options.random;
    this.conditions = options.conditions;
  }

  get state(): Store['state'] {
    return this.#state;
  }

  get accepting(): boolean {
    return this.#state === 'open' && this.conditions.accepting;
  }

  async start(): Promise<void> {
    this.#state = 'open';
  }

  async stop(): Promise<void> {
    while (this.#writing !== undefined || this.#waiting.length > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#state = 'closed';
  }

  /** The machine stops here: the write under way is on the disk or it is not. */
  crash(): void {
    if (this.#writing !== undefined && this.#random.chance(0.5)) this.#disk.apply(opsOf(this.#writing));
    this.#state = 'closed';
    this.#writing = undefined;
    this.#waiting = [];
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#mustBeReadable();
    return this.#disk.get(key);
  }

  getSync(key: string): Uint8Array | undefined {
    this.#mustBeReadable();
    return this.#disk.get(key);
  }

  async *scan(
    prefix: string,
    options: { after?: string; limit?: number } = {},
  ): AsyncIterable<readonly [string, Uint8Array]> {
    this.#mustBeReadable();
    for (const key of this.#disk.keys(prefix, options.after).slice(0, options.limit)) {
      const value = this.#disk.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  async commit(ops: readonly Op[]): Promise<void> {
    if (this.#state !== 'open') throw stopped();
    this.#stats.commits += 1;
    if (ops.length === 0 && this.#writing === undefined && this.#waiting.length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ ops, resolve, reject });
    if (this.#writing === undefined && this.#waiting.length === 1) queueMicrotask(() => this.#writeNext());
    await promise;
  }

  /** What waits is refused; what is being written ends first. */
  reopen(): void {
    if (this.#state !== 'open') return;
    this.#state = 'recovering';
    this.#refuse(this.#waiting.splice(0));
    if (this.#writing === undefined) this.#reopenLater();
  }

  onReopened(listener: () => Promise<void>): void {
    this.#reopened.push(listener);
  }

  /** Never called: this disk comes back. */
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

  #writeNext(): void {
    if (this.#state !== 'open' || this.#writing !== undefined) return;
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const batch = this.#waiting;
    this.#waiting = [];
    this.#writing = batch;
    this.#life.after(this.conditions.writeMs(), 'disk', () => this.#written(batch));
  }

  #written(batch: readonly Pending[]): void {
    if (this.#writing !== batch) return;
    const outcome = this.conditions.outcome();
    const ops = opsOf(batch);
    if (outcome !== 'failed') this.#disk.apply(ops);
    this.#writing = undefined;
    if (outcome === 'done') this.#succeed(batch);
    else this.#fail(batch);
  }

  #succeed(batch: readonly Pending[]): void {
    this.#stats.syncs += 1;
    for (const { resolve } of batch) resolve();
    if (this.#state === 'recovering') this.#reopenLater();
    else queueMicrotask(() => this.#writeNext());
  }

  #fail(batch: readonly Pending[]): void {
    this.#state = 'recovering';
    this.#refuse([...batch, ...this.#waiting.splice(0)]);
    this.#reopenLater();
  }

  #refuse(commits: readonly Pending[]): void {
    for (const { reject } of commits) reject(stopped());
  }

  #reopenLater(): void {
    this.#isReadable = false;
    for (const resolve of this.#idle.splice(0)) resolve();
    this.#life.after(REOPEN_MS, 'disk reopened', () => void this.#recover());
  }

  async #recover(): Promise<void> {
    this.#isReadable = true;
    for (const listener of this.#reopened) await listener();
    this.#stats.recoveries += 1;
    if (this.#state === 'recovering') this.#state = 'open';
  }

  #mustBeReadable(): void {
    if (this.#state === 'closed' || !this.#isReadable) throw stopped();
  }
}

function opsOf(batch: readonly Pending[]): Op[] {
  return batch.flatMap(({ ops }) => ops);
}

function stopped(): BackhaulError {
  return new BackhaulError('BH-E-SPOOL-STOPPED', { retryAfterMs: 1_000 });
}
