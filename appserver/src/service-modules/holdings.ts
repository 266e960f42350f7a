import { type HeldRange, type Holdings as HoldingsReport, readHoldings, readStatus } from '@backhaul/envelope';
import type { SqlRow, Transaction } from '../store/database.ts';
import { type ColumnTypes, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import { componentsBelow } from './components-below.ts';
import { type ArrivedMessage, type HandleResult, type ServiceModule, scopeColumnsOf } from './service-module.ts';
import { toldTime } from './told-time.ts';

export interface HoldingsTables {
  /** when each component told last what it holds, and what it had given itself */
  holdings: ScopeColumns & { component: string; madeAt: number; at: number; truncated: number };
  givenSequences: ScopeColumns & { component: string; epoch: string; lane: number; last: number; at: number };
  /** of the last reports of each component, not of the newest alone */
  heldRanges: ScopeColumns & {
    component: string;
    source: string;
    epoch: string;
    lane: number;
    first: number;
    last: number;
    messages: number;
    at: number;
  };
}

/** Reports of one component whose ranges are kept: more than fit into the grace time of the ledger. */
const REPORTS_KEPT = 16;

/** A report takes long to write down: of one component only one is, in so many ms; an envelope may be full of them. */
const REPORT_EVERY_MS = 1000;

const TELL = `INSERT INTO "holdings" ("component", "madeAt", "at", "truncated", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT ("component") DO UPDATE SET "madeAt" = excluded."madeAt", "at" = excluded."at",
  "truncated" = excluded."truncated" WHERE excluded."madeAt" >= "holdings"."madeAt" OR "holdings"."madeAt" > ?`;
/** Whether the last report was cut short is known again with the next report only. */
const BEAT = `INSERT INTO "holdings" ("component", "madeAt", "at", "truncated", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, 0, ?, ?, NULL, NULL) ON CONFLICT ("component") DO UPDATE SET "madeAt" = excluded."madeAt", "at" = excluded."at"
  WHERE excluded."madeAt" > "holdings"."madeAt" OR "holdings"."madeAt" > ?`;
const GIVE = `INSERT INTO "givenSequences" ("component", "epoch", "lane", "last", "at", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT ("component", "epoch", "lane")
  DO UPDATE SET "last" = excluded."last", "at" = excluded."at" WHERE excluded."last" > "givenSequences"."last"`;
const HOLD = `INSERT INTO "heldRanges" ("component", "source", "epoch", "lane", "first", "last", "messages", "at", "customer", "site", "instance", "class")
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT ("component", "source", "epoch", "lane", "first")
  DO UPDATE SET "last" = excluded."last", "messages" = excluded."messages", "at" = excluded."at"`;
const FORGET = `DELETE FROM "heldRanges" WHERE "component" = ?1 AND "at" < (SELECT MIN("at") FROM
  (SELECT DISTINCT "at" FROM "heldRanges" WHERE "component" = ?1 ORDER BY "at" DESC LIMIT ${REPORTS_KEPT}))`;

/**
 * What components say they hold, for the ledger. A report comes with the heartbeat while something is held, and once more
 * when nothing is any longer: so a heartbeat alone says that nothing is. Times are reckoned from how long the message was
 * under way, so that wrong clocks do not matter.
 */
export class Holdings implements ServiceModule {
  readonly name = 'holdings';
  readonly subscriptions = [
    { class: 'infrastructure', subclass: 'holdings' },
    { class: 'infrastructure', subclass: 'heartbeat' },
  ];
  readonly migrations = [
    {
      owner: 'holdings',
      version: 1,
      statements: (t: ColumnTypes) => [
        `CREATE TABLE "holdings" ("component" ${t.text} PRIMARY KEY, "madeAt" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL,
          "truncated" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
        `CREATE TABLE "givenSequences" ("component" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL,
          "last" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("component", "epoch", "lane"))`,
        `CREATE TABLE "heldRanges" ("component" ${t.text} NOT NULL, "source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL,
          "first" ${t.integer} NOT NULL, "last" ${t.integer} NOT NULL, "messages" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)},
          PRIMARY KEY ("component", "source", "epoch", "lane", "first"))`,
        `CREATE INDEX "heldRangesByStream" ON "heldRanges" ("source", "epoch", "lane")`,
      ],
    },
  ];

  /** when the last report of each component was evaluated, wall ms; of the last second only */
  readonly #evaluatedAt = new Map<string, number>();

  async handle(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
    if (message.header.subclass === 'heartbeat') {
      const { customer, site } = scopeColumnsOf(message);
      const madeAt = toldTime(readStatus(message.content()).madeAt, message);
      const { receivedAt } = message;
      await tx.run(BEAT, [[message.header.source, madeAt, madeHere(message), customer, site, receivedAt]]);
      return undefined;
    }
    if (!this.#isItsTurn(message)) return undefined;
    const report = readHoldings(message.content());
    const { source } = message.header;
    const below = await componentsBelow(tx, source);
    const foreign = report.ranges.find((range) => range.source !== source && !below.has(range.source));
    if (foreign) return { refuse: 'BH-E-SPOOF', detail: `${foreign.source} is not below ${source}` };
    await tell(tx, message, report);
    await give(tx, message, report.own);
    await hold(tx, message, report.ranges);
    return undefined;
  }

  /** Those passed by are accepted all the same: the next one says it again. */
  #isItsTurn({ header: { source }, receivedAt }: ArrivedMessage): boolean {
    for (const [id, at] of this.#evaluatedAt)
      if (Math.abs(receivedAt - at) >= REPORT_EVERY_MS) this.#evaluatedAt.delete(id);
    if (this.#evaluatedAt.has(source)) return false;
    this.#evaluatedAt.set(source, receivedAt);
    return true;
  }
}

async function tell(
  tx: Transaction,
  message: ArrivedMessage,
  report: Pick<HoldingsReport, 'madeAt' | 'truncated'>,
): Promise<void> {
  const { customer, site } = scopeColumnsOf(message);
  const madeAt = toldTime(report.madeAt, message);
  const truncated = report.truncated ? 1 : 0;
  const { receivedAt } = message;
  await tx.run(TELL, [[message.header.source, madeAt, madeHere(message), truncated, customer, site, receivedAt]]);
}

async function give(tx: Transaction, message: ArrivedMessage, own: HoldingsReport['own']): Promise<void> {
  const { customer, site } = scopeColumnsOf(message);
  const { source } = message.header;
  await tx.run(
    GIVE,
    own.map(({ epoch, lane, last }) => [source, epoch, lane, last, message.receivedAt, customer, site]),
  );
}

/** The rows belong to whom the messages are of. */
async function hold(tx: Transaction, message: ArrivedMessage, ranges: readonly HeldRange[]): Promise<void> {
  const { source: component } = message.header;
  const sources = [...new Set(ranges.map(({ source }) => source))];
  const owners = new Map<string, { customer: string; site: string | null }>();
  for (const id of sources) {
    const [owner] = await tx.all<{ customer: string; site: string | null }>(
      'SELECT "customer", "site" FROM "components" WHERE "id" = ?',
      [id],
    );
    if (owner) owners.set(id, owner);
  }
  const rows = ranges.map(({ source, epoch, lane, from, to, messages }): SqlRow => {
    const { customer, site } = owners.get(source) ?? message.scope;
    return [component, source, epoch, lane, from, to, messages, message.receivedAt, customer, site];
  });
  await tx.run(HOLD, rows);
  await tx.run(FORGET, [[component]]);
}

/** Wall ms here when the message was made: what it spent at each hop, its own among them, is known. Never below 0. */
function madeHere({ header, receivedAt }: ArrivedMessage): number {
  return Math.max(0, receivedAt - header.routing.reduce((sum, hop) => sum + Math.max(0, hop.out - hop.in), 0));
}
