import type { Random } from '@backhaul/runtime';
import type { Database, Transaction } from './database.ts';

const EPOCHS = ['numberingEpoch', 'mailboxEpoch'];
const EPOCH_BYTES = 8;

/** What this store knows of itself: made once, when the store is made. */
export class Facts {
  readonly #database: Database;
  readonly #values = new Map<string, string>();

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Makes the epochs of a new store, and new ones for a restored copy: numbers given since the copy was made are then
   * never taken for other messages [DESIGN §4]. Returns whether it is a restored copy.
   */
  async load(random: Random): Promise<'known' | 'new' | 'restored'> {
    return this.#database.transaction(async (tx) => {
      for (const { name, value } of await tx.db.selectFrom('facts').selectAll().execute())
        this.#values.set(name, value);
      const before = this.#values.get('storeIdentity');
      const identity = this.#database.identity();
      if (before === identity) return 'known';
      await this.set(tx, 'storeIdentity', identity);
      for (const name of EPOCHS) await this.set(tx, name, random.bytes(EPOCH_BYTES).toString('hex'));
      await tx.run('UPDATE "numbering" SET "last" = 0', [[]]); // sequences begin at 1 in a new epoch
      return before === undefined ? 'new' : 'restored';
    });
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** @throws when `load` has not run */
  require(name: string): string {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the store has no fact ${name}`);
    return value;
  }

  async set(tx: Transaction, name: string, value: string): Promise<void> {
    const row = { name, value };
    await tx.db
      .insertInto('facts')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
      .execute();
    this.#values.set(name, value);
  }
}
