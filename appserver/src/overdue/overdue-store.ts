import type { Database, Transaction } from '../store/database.ts';
import { type ColumnTypes, type Migration, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { OverduePhase, OverdueState } from './overdue-machine.ts';

export interface OverdueTables {
  /** who is not simply heard; a row for each state of the machine */
  overdue: ScopeColumns & {
    id: string;
    kind: string;
    phase: OverduePhase;
    since: number;
    noticedAt: number;
    /** 0 or 1 */
    told: number;
    behind: string | null;
    returnedAt: number | null;
    episodes: number;
  };
}

export const OVERDUE_MIGRATIONS: readonly Migration[] = [
  {
    owner: 'overdue',
    version: 1,
    statements: (t: ColumnTypes) => [
      `CREATE TABLE "overdue" ("id" ${t.text} PRIMARY KEY, "kind" ${t.text} NOT NULL, "phase" ${t.text} NOT NULL, "since" ${t.integer} NOT NULL,
        "noticedAt" ${t.integer} NOT NULL, "told" ${t.integer} NOT NULL, "behind" ${t.text}, "returnedAt" ${t.integer},
        "episodes" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
    ],
  },
];

export async function loadOverdue(database: Database): Promise<Map<string, OverdueState>> {
  const rows = await database.reader.selectFrom('overdue').selectAll().execute();
  return new Map(rows.map(({ instance: _, class: __, ...row }) => [row.id, { ...row, told: row.told === 1 }]));
}

/** In the transaction that also tells of them, so that a restart neither forgets nor repeats. */
export async function writeOverdue(tx: Transaction, changes: ReadonlyMap<string, OverdueState | null>): Promise<void> {
  await tx.run(
    'DELETE FROM "overdue" WHERE "id" = ?',
    [...changes.keys()].map((id) => [id]),
  );
  const states = [...changes.values()].filter((state) => state !== null);
  await tx.run(
    `INSERT INTO "overdue" ("id", "kind", "phase", "since", "noticedAt", "told", "behind", "returnedAt", "episodes", "customer", "site", "instance", "class")
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)`,
    states.map((s) => [
      ...[s.id, s.kind, s.phase, s.since, s.noticedAt, Number(s.told), s.behind, s.returnedAt, s.episodes],
      ...[s.customer, s.site],
    ]),
  );
}
