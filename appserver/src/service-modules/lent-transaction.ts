import type { Kysely, KyselyPlugin } from 'kysely';
import type { SqlRow, Transaction } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';

/**
 * A transaction lent for one call: a module that comes back late finds it closed instead of writing into another's, by
 * whichever way it kept hold of it.
 */
export class LentTransaction implements Transaction {
  #tx: Transaction | undefined;
  #db: Kysely<Schema> | undefined;

  constructor(tx: Transaction) {
    this.#tx = tx;
  }

  get db(): Kysely<Schema> {
    this.#db ??= this.#open().db.withPlugin(refuseWhen(() => void this.#open()));
    return this.#db;
  }

  async run(sql: string, rows: readonly SqlRow[]): Promise<number> {
    return this.#open().run(sql, rows);
  }

  async all<T>(sql: string, parameters: SqlRow): Promise<T[]> {
    return this.#open().all<T>(sql, parameters);
  }

  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    return this.#open().savepoint(work);
  }

  afterCommit(action: () => void): void {
    this.#open().afterCommit(action);
  }

  takeBack(): void {
    this.#tx = undefined;
  }

  #open(): Transaction {
    if (!this.#tx) throw new Error('the transaction of this call is over');
    return this.#tx;
  }
}

/** Called as each query is about to run. */
function refuseWhen(check: () => void): KyselyPlugin {
  return {
    transformQuery({ node }) {
      check();
      return node;
    },
    transformResult: async ({ result }) => result,
  };
}
