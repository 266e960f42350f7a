import { frame, unframe } from './framing.ts';
import { prefixEnd } from './keys.ts';
import { describeError, isDamage } from './level-errors.ts';
import { type Database, scanPages } from './scan-pages.ts';
import type { Op, StoreFinding } from './store.ts';

/** Where values go that fail their checksum: kept for a person to look at, out of the way of the cores. */
const DAMAGED = '!damaged/';
/** Number of the last commit, in every batch [R4]. */
const COMMITS = '!commits';

/** Checksummed values over an open level database: what both stores share. */
export class LevelValues {
  readonly #database: Database;
  readonly #report: (finding: StoreFinding) => void;
  #setAside: Op[] = [];
  /** number of the last commit */
  commits = 0;

  constructor(database: Database, report: (finding: StoreFinding) => void) {
    this.#database = database;
    this.#report = report;
  }

  async loadCommits(): Promise<number> {
    const value = await this.get(COMMITS);
    this.commits = value === undefined ? 0 : Number(value.readBigUInt64LE(0));
    return this.commits;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const framed = await this.#database.get(key).catch((error) => this.#unreadable(key, error));
    return framed === undefined ? undefined : this.#open(key, framed);
  }

  getSync(key: string): Buffer | undefined {
    try {
      const framed = this.#database.getSync(key);
      return framed === undefined ? undefined : this.#open(key, framed);
    } catch (error) {
      return this.#unreadable(key, error);
    }
  }

  async *scan(
    prefix: string,
    options: { after?: string; limit?: number } = {},
  ): AsyncIterable<readonly [string, Buffer]> {
    const from = options.after === undefined ? { gte: prefix } : { gt: options.after };
    const range = { ...from, lt: prefixEnd(prefix), ...(options.limit === undefined ? {} : { limit: options.limit }) };
    for await (const page of scanPages(this.#database, range, (error) => this.#unreadable(`${prefix}…`, error))) {
      for (const [key, framed] of page) {
        const value = this.#open(key, framed);
        if (value !== undefined) yield [key, value];
      }
    }
  }

  /** One synced batch: the operations, the number of the commit, and what was found damaged since. */
  async write(ops: readonly Op[]): Promise<number> {
    const batch = this.#database.batch();
    let bytes = 0;
    const put = (key: string, framed: Buffer): void => {
      bytes += key.length + framed.length;
      batch.put(key, framed);
    };
    for (const op of this.#setAside.splice(0))
      op.type === 'put' ? batch.put(op.key, Buffer.from(op.value)) : batch.del(op.key);
    for (const op of ops) op.type === 'put' ? put(op.key, frame(op.key, op.value)) : batch.del(op.key);
    put(COMMITS, frame(COMMITS, commitNumber(this.commits + 1)));
    await batch.write({ sync: true } as object); // [R1]
    this.commits += 1;
    return bytes;
  }

  #open(key: string, framed: Buffer): Buffer | undefined {
    return unframe(key, framed) ?? this.#damaged(key, framed);
  }

  #unreadable(key: string, error: unknown): undefined {
    if (!isDamage(error)) throw error;
    this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail: `a block that holds ${key}: ${describeError(error)}` });
    return undefined;
  }

  #damaged(key: string, framed: Buffer): undefined {
    this.#setAside.push({ type: 'put', key: DAMAGED + key, value: framed }, { type: 'del', key });
    this.#report({ code: 'BH-E-SPOOL-DAMAGED', detail: `value of ${key}, ${framed.length} bytes` });
    return undefined;
  }
}

function commitNumber(number: number): Buffer {
  const value = Buffer.allocUnsafe(8);
  value.writeBigUInt64LE(BigInt(number));
  return value;
}
