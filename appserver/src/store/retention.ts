import type { Clock, Logger } from '@backhaul/runtime';
import type { AppserverConfig } from '../config.ts';
import type { Database, SqlRow, Transaction } from './database.ts';

const DAY_MS = 86_400_000;

export interface RetentionOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** wall ms by which rows are old; the clock's when absent */
  readonly now?: () => number;
  readonly logger: Logger;
  readonly settings: AppserverConfig['retention'];
}

/** What is deleted, oldest first, at most `?` rows at a time. Parameters: the time before which, the number of rows. */
const STEPS = [
  {
    what: 'messages',
    days: 'messagesDays',
    sql: 'DELETE FROM "messages" WHERE "number" IN (SELECT "number" FROM "messages" WHERE "receivedAt" < ? ORDER BY "receivedAt" LIMIT ?)',
  },
  {
    what: 'commands',
    days: 'commandsDays',
    sql: 'DELETE FROM "commands" WHERE "id" IN (SELECT "id" FROM "commands" WHERE "expiresAt" < ? ORDER BY "expiresAt" LIMIT ?)',
  },
  {
    what: 'pushes',
    days: 'commandsDays',
    sql: 'DELETE FROM "pushes" WHERE "id" IN (SELECT "id" FROM "pushes" WHERE "expiresAt" < ? ORDER BY "expiresAt" LIMIT ?)',
  },
  {
    what: 'event keys',
    days: 'eventKeysDays',
    sql: 'DELETE FROM "eventKeys" WHERE ("customer", "site", "class", "subclass", "eventKey") IN (SELECT "customer", "site", "class", "subclass", "eventKey" FROM "eventKeys" WHERE "receivedAt" < ? ORDER BY "receivedAt" LIMIT ?)',
  },
  {
    what: 'refusals',
    days: 'eventKeysDays',
    sql: 'DELETE FROM "refusals" WHERE ("source", "epoch", "lane", "sequence") IN (SELECT "source", "epoch", "lane", "sequence" FROM "refusals" WHERE "at" < ? ORDER BY "at" LIMIT ?)',
  },
  {
    what: 'dead letters',
    days: 'deadLettersDays',
    sql: 'DELETE FROM "deadLetters" WHERE "number" IN (SELECT "number" FROM "deadLetters" WHERE "at" < ? ORDER BY "number" LIMIT ?)',
  },
  {
    what: 'fetches',
    days: 'commandsDays',
    sql: 'DELETE FROM "artifactFetches" WHERE "number" IN (SELECT "number" FROM "artifactFetches" WHERE "at" < ? ORDER BY "number" LIMIT ?)',
  },
] as const;

/** Up to where each stream holds only old receipts: below everything that is missing, held, or told lately. */
const SETTLED = `SELECT t."source", t."epoch", t."lane", MAX(t."last") AS "through", t."customer", t."site"
  FROM "tombstones" t JOIN "seen" s ON s."source" = t."source" AND s."epoch" = t."epoch" AND s."lane" = t."lane" AND s."first" = 1
  WHERE t."recordedAt" < ?1 AND t."last" <= s."last" AND t."reason" <> 'held' AND NOT EXISTS (SELECT 1 FROM "tombstones" y
    WHERE y."source" = t."source" AND y."epoch" = t."epoch" AND y."lane" = t."lane" AND y."first" < t."first"
    AND (y."recordedAt" >= ?1 OR y."reason" = 'held'))
  GROUP BY t."source", t."epoch", t."lane" LIMIT ?2`;
const SETTLE = `INSERT INTO "streams" ("source", "epoch", "lane", "settledThrough", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT ("source", "epoch", "lane")
  DO UPDATE SET "settledThrough" = MAX("settledThrough", excluded."settledThrough")`;
const FORGET = 'DELETE FROM "tombstones" WHERE "source" = ? AND "epoch" = ? AND "lane" = ? AND "last" <= ?';

/**
 * Deletes what is past its time, in small transactions between which everybody else gets a turn. Receipts are forgotten
 * only together with everything below them: a `settledThrough` per stream says up to where the details are gone.
 */
export class Retention {
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Returns how many rows went. */
  async prune(): Promise<number> {
    const { clock, settings, logger } = this.#options;
    const now = this.#options.now?.() ?? clock.now();
    let total = 0;
    for (const { what, days, sql } of STEPS) {
      const before = now - settings[days] * DAY_MS;
      const deleted = await this.#untilDone((tx) => tx.run(sql, [[before, settings.rowsPerStep]]));
      if (deleted > 0) logger.info({ what, deleted }, 'pruned');
      total += deleted;
    }
    return total + (await this.#pruneLedger(now - settings.ledgerDays * DAY_MS));
  }

  async #pruneLedger(before: number): Promise<number> {
    return this.#untilDone(async (tx) => {
      type Row = {
        source: string;
        epoch: string;
        lane: number;
        through: number;
        customer: string;
        site: string | null;
      };
      const rows = await tx.all<Row>(SETTLED, [before, this.#options.settings.rowsPerStep]);
      await tx.run(
        SETTLE,
        rows.map(
          ({ source, epoch, lane, through, customer, site }): SqlRow => [source, epoch, lane, through, customer, site],
        ),
      );
      return tx.run(
        FORGET,
        rows.map(({ source, epoch, lane, through }) => [source, epoch, lane, through]),
      );
    });
  }

  async #untilDone(step: (tx: Transaction) => Promise<number>): Promise<number> {
    let total = 0;
    for (;;) {
      const deleted = await this.#options.database.transaction(step);
      total += deleted;
      if (deleted === 0) return total;
      await this.#options.clock.sleep(5);
    }
  }
}
