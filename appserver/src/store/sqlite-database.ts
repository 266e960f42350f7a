import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BackhaulError } from '@backhaul/runtime';
import { Kysely } from 'kysely';
import type { Database, DatabaseStats, SqlRow, Transaction } from './database.ts';
import { type Migration, migrate } from './migrations.ts';
import type { Schema } from './schema.ts';
import { StatementCache, sqliteDialect } from './sqlite-dialect.ts';
import { finishSalvage, isSqliteDamage, putAside, salvageSqlite, sqliteDamage } from './sqlite-salvage.ts';

const BUSY_TIMEOUT_MS = 5_000;
/** Pages of the write-ahead log between checkpoints: each checkpoint syncs twice, so not too few (16 MiB). */
const CHECKPOINT_PAGES = 4_000;
const CACHE_KIB = 16_384;

const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_BUSY = 5;

export interface SqliteOptions {
  /** the file; its folder is made */
  readonly path: string;
  readonly migrations: readonly Migration[];
  /** wall ms, for the name under which a damaged file is kept; default 0 */
  readonly now?: () => number;
  /** What an opening found damaged and what was done about it; never silent where it matters. */
  readonly report?: (finding: { code: 'BH-E-SPOOL-DAMAGED'; detail: string }) => void;
  /** A transaction has met damage: only the next opening mends it. */
  readonly onDamage?: (error: unknown) => void;
  /** What was to be done after a commit has failed: the commit stands all the same. */
  readonly onAfterCommitFailed?: (error: unknown) => void;
}

/**
 * SQLite as the store. Invariants:
 * - one writing connection, used by one transaction at a time (`#turn`); a second, read-only one serves all reads
 * - `synchronous=FULL` in WAL mode: COMMIT returns after the log is synced, so an answer sent after it is true
 * - one process per file: the `.lock` file beside it is a database held in an exclusive transaction for as long as this one runs,
 *   which the kernel lets go when the process dies, however it dies
 * - every page is read at the start; a damaged file is kept aside, what can be read of it goes on in a new one, and that is reported
 */
export class SqliteDatabase implements Database {
  readonly name = 'store';
  readonly #options: SqliteOptions;
  #lock: DatabaseSync | undefined;
  #writer: DatabaseSync | undefined;
  #readerConnection: DatabaseSync | undefined;
  #statements: StatementCache | undefined;
  #readerStatements: StatementCache | undefined;
  #kysely: Kysely<Schema> | undefined;
  #reader: Kysely<Schema> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #commits = 0;
  #rollbacks = 0;
  #writing = true;

  constructor(options: SqliteOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { path, migrations } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#lock = lockFile(lockPath(path));
    try {
      this.#mend();
      this.#writer = openWriter(path);
      await migrate(this.#writer, migrations);
      this.#readerConnection = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#statements = new StatementCache(this.#writer);
    this.#kysely = new Kysely<Schema>({ dialect: sqliteDialect(this.#statements) });
    this.#readerStatements = new StatementCache(this.#readerConnection);
    this.#reader = new Kysely<Schema>({ dialect: sqliteDialect(this.#readerStatements, this.#toStoreError) });
  }

  async stop(): Promise<void> {
    await this.#turn;
    for (const connection of [this.#readerConnection, this.#writer, this.#lock])
      if (connection?.isOpen) connection.close();
    this.#reader = this.#kysely = this.#readerStatements = undefined;
  }

  get reader(): Kysely<Schema> {
    if (!this.#reader) throw closed();
    return this.#reader;
  }

  async read<T>(sql: string, parameters: SqlRow): Promise<T[]> {
    if (!this.#readerStatements) throw closed();
    try {
      return this.#readerStatements.get(sql).all(...parameters) as T[];
    } catch (error) {
      throw this.#toStoreError(error);
    }
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => this.#run(work));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async backup(toPath: string): Promise<void> {
    await backupDatabase(this.#options.path, toPath);
  }

  stats(): DatabaseStats {
    const sizes = ['', '-wal'].map((end) => statSync(this.#options.path + end, { throwIfNoEntry: false })?.size ?? 0);
    const bytes = sizes[0]! + sizes[1]!;
    return { commits: this.#commits, rollbacks: this.#rollbacks, writing: this.#writing, bytes };
  }

  identity(): string {
    const { ino, birthtimeMs } = statSync(this.#options.path);
    return `${ino}:${Math.round(birthtimeMs)}`;
  }

  #mend(): void {
    const { path, now = () => 0, report = () => {} } = this.#options;
    finishSalvage(path);
    const damage = sqliteDamage(path);
    if (damage === undefined) return;
    const keptAs = `${path}.damaged-${now()}`;
    report({ code: 'BH-E-SPOOL-DAMAGED', detail: `the database is damaged (${damage}); kept as ${keptAs}` });
    const { tables, rows, holes } = salvageSqlite(path, keptAs);
    const detail = `${rows} rows of ${tables} tables were taken over; ${holes} places could not be read`;
    report({ code: 'BH-E-SPOOL-DAMAGED', detail });
    const rest = sqliteDamage(path);
    if (rest === undefined) return;
    putAside(path, `${keptAs}.copy`);
    report({
      code: 'BH-E-SPOOL-DAMAGED',
      detail: `what was taken over makes no sense either (${rest}): it begins empty`,
    });
  }

  async #run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const writer = this.#writer;
    if (!this.#kysely || !writer?.isOpen) throw closed();
    const tx = new SqliteTransaction(writer, this.#kysely, this.#statements!, this.#toStoreError);
    let committed: { readonly result: T };
    try {
      writer.exec('BEGIN IMMEDIATE');
      const result = await work(tx);
      tx.requireOpen();
      writer.exec('COMMIT');
      this.#commits++;
      this.#writing = true;
      committed = { result };
    } catch (error) {
      if (writer.isTransaction) writer.exec('ROLLBACK');
      this.#rollbacks++;
      const refusal = this.#toStoreError(error);
      if (refusal instanceof BackhaulError && refusal.code === 'BH-E-SPOOL-STOPPED') this.#writing = false;
      throw refusal;
    }
    tx.committed(this.#options.onAfterCommitFailed ?? (() => {})); // it is on disk, whatever comes of this
    return committed.result;
  }

  readonly #toStoreError = (error: unknown): unknown => {
    if (isSqliteDamage(error)) this.#options.onDamage?.(error);
    return asStoreError(error);
  };
}

/**
 * After some errors (a full disk among them) SQLite undoes the whole transaction by itself; whatever ran after that would
 * commit statement by statement. So nothing runs once the transaction is gone, and `#run` never answers for it.
 */
class SqliteTransaction implements Transaction {
  readonly #connection: DatabaseSync;
  readonly #kysely: Kysely<Schema>;
  readonly #statements: StatementCache;
  readonly #toStoreError: (error: unknown) => unknown;
  #after: (() => void)[] = [];
  #depth = 0;
  #end: unknown;

  constructor(
    connection: DatabaseSync,
    kysely: Kysely<Schema>,
    statements: StatementCache,
    toStoreError: (error: unknown) => unknown,
  ) {
    this.#connection = connection;
    this.#kysely = kysely;
    this.#statements = statements;
    this.#toStoreError = toStoreError;
  }

  get db(): Kysely<Schema> {
    this.requireOpen();
    return this.#kysely;
  }

  async run(sql: string, rows: readonly SqlRow[]): Promise<number> {
    this.requireOpen();
    const statement = this.#statements.get(sql);
    let changes = 0;
    for (const row of rows) changes += Number(statement.run(...row).changes);
    return changes;
  }

  async all<T>(sql: string, parameters: SqlRow): Promise<T[]> {
    this.requireOpen();
    return this.#statements.get(sql).all(...parameters) as T[];
  }

  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.requireOpen();
    const name = `step${++this.#depth}`;
    const kept = this.#after.length;
    this.#connection.exec(`SAVEPOINT ${name}`);
    try {
      const result = await work();
      this.requireOpen();
      this.#connection.exec(`RELEASE ${name}`);
      return result;
    } catch (error) {
      this.#after.length = kept;
      if (this.#connection.isTransaction) this.#connection.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
      else this.#end ??= this.#toStoreError(error);
      throw this.#toStoreError(error);
    } finally {
      this.#depth--;
    }
  }

  /** @throws what ended the transaction, when it is gone */
  requireOpen(): void {
    if (this.#connection.isTransaction && this.#end === undefined) return;
    throw (this.#end ??= new BackhaulError('BH-E-SPOOL-STOPPED', {
      detail: 'the transaction is gone',
      retryAfterMs: 1_000,
    }));
  }

  afterCommit(action: () => void): void {
    this.#after.push(action);
  }

  /** One that throws keeps none of the others from being done. */
  committed(failed: (error: unknown) => void): void {
    for (const action of this.#after) {
      try {
        action();
      } catch (error) {
        failed(error);
      }
    }
  }
}

const closed = (): BackhaulError => new BackhaulError('BH-E-DRAINING', { detail: 'the store is closed' });

/** Copies a store that may be in use by another process, into a new file. */
export async function backupDatabase(fromPath: string, toPath: string): Promise<void> {
  if (statSync(toPath, { throwIfNoEntry: false }))
    throw new BackhaulError('BH-E-CONFLICT', { detail: `${toPath} exists` });
  const source = new DatabaseSync(fromPath, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    source.prepare('VACUUM INTO ?').run(toPath);
  } catch (error) {
    rmSync(toPath, { force: true });
    throw asStoreError(error);
  } finally {
    source.close();
  }
}

export const databasePath = (dataDirectory: string): string => join(dataDirectory, 'store', 'appserver.db');

const lockPath = (path: string): string => `${path.replace(/\.db$/, '')}.lock`;

function openWriter(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  connection.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;`);
  return connection;
}

function lockFile(path: string): DatabaseSync {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (sqliteCode(error) !== SQLITE_BUSY) throw error;
    throw new BackhaulError('BH-E-SPOOL-LOCKED', { detail: path, cause: error });
  }
}

function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
}

/** A disk that is full, or fails, or has lost a page, is a wait for the sender, not a failure of the message. */
function asStoreError(error: unknown): unknown {
  const code = sqliteCode(error);
  if (isSqliteDamage(error)) {
    const detail = 'the database of the application server is damaged; it is checked and mended when it starts again';
    return new BackhaulError('BH-E-SPOOL-STOPPED', { detail, retryAfterMs: 10_000, cause: error });
  }
  if (code !== SQLITE_FULL && code !== SQLITE_IOERR) return error;
  return new BackhaulError('BH-E-SPOOL-STOPPED', {
    detail:
      code === SQLITE_FULL ? 'the disk of the application server is full' : 'the disk of the application server fails',
    retryAfterMs: 10_000,
    cause: error,
  });
}
