import type { Random } from '@backhaul/runtime';
import { BackhaulError } from '@backhaul/runtime';
import type { Database, DatabaseStats, SqlRow, Transaction } from '../../appserver/src/store/database.ts';
import type { Migration } from '../../appserver/src/store/migrations.ts';
import { SqliteDatabase } from '../../appserver/src/store/sqlite-database.ts';
import type { Incarnation } from './incarnation.ts';
import type { DiskConditions } from './sim-store.ts';

export interface SimDatabaseOptions {
  readonly path: string;
  readonly migrations: readonly Migration[];
  readonly life: Incarnation;
  readonly random: Random;
  readonly conditions: DiskConditions;
  /** which copy of the data this is: a restored one shows itself */
  readonly identity: string;
}

/**
 * The real SQLite store, with a simulated disk under its commits: each takes its time, may be refused as on a full disk, and
 * a crash while it is under way undoes the whole transaction. What a dead process asked for is never answered.
 */
export class SimDatabase implements Database {
  readonly name = 'store';
  readonly #options: SimDatabaseOptions;
  readonly #sqlite: SqliteDatabase;
  readonly #crashed = Promise.withResolvers<never>();

  constructor(options: SimDatabaseOptions) {
    this.#options = options;
    this.#sqlite = new SqliteDatabase(options);
    this.#crashed.promise.catch(() => {});
  }

  start(): Promise<void> {
    return this.#sqlite.start();
  }

  stop(): Promise<void> {
    return this.#sqlite.stop();
  }

  /** The open transaction is undone, the files are let go. */
  async crash(): Promise<void> {
    this.#crashed.reject(new Error('the machine stopped'));
    await this.#sqlite.stop();
  }

  get reader(): Database['reader'] {
    return this.#sqlite.reader;
  }

  read<T>(sql: string, parameters: SqlRow): Promise<T[]> {
    return this.#sqlite.read(sql, parameters);
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { life } = this.#options;
    return new Promise((resolve, reject) => {
      if (!life.alive) return;
      const done = this.#sqlite.transaction(async (tx) => {
        const result = await Promise.race([work(tx), this.#crashed.promise]);
        await Promise.race([this.#sync(), this.#crashed.promise]);
        return result;
      });
      done.then(
        (result) => life.alive && resolve(result),
        (error) => life.alive && reject(error),
      );
    });
  }

  backup(toPath: string): Promise<void> {
    return this.#sqlite.backup(toPath);
  }

  stats(): DatabaseStats {
    return this.#sqlite.stats();
  }

  identity(): string {
    return this.#options.identity;
  }

  /** What a synced commit takes on this disk now. */
  #sync(): Promise<void> {
    const { life, conditions } = this.#options;
    return new Promise((resolve, reject) => {
      life.after(conditions.writeMs(), 'commit', () => {
        if (conditions.outcome() === 'done') resolve();
        else reject(new BackhaulError('BH-E-SPOOL-STOPPED', { detail: 'the disk is full', retryAfterMs: 1_000 }));
      });
    });
  }
}
