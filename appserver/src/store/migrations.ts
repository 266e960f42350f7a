import type { DatabaseSync } from 'node:sqlite';
import { BackhaulError } from '@backhaul/runtime';

/** The vocabulary of column types in which migrations are written, so that each database program can have its own. */
export interface ColumnTypes {
  /** counts itself up, primary key */
  readonly serial: string;
  readonly text: string;
  /** 53 bits: milliseconds, bytes, counts, and 0 or 1 */
  readonly integer: string;
  readonly real: string;
  readonly bytes: string;
}

export const SQLITE_TYPES: ColumnTypes = {
  serial: 'INTEGER PRIMARY KEY AUTOINCREMENT',
  text: 'TEXT',
  integer: 'INTEGER',
  real: 'REAL',
  bytes: 'BLOB',
};

/** One step forward of one owner (`core`, or a service module). Steps are never edited once released, only added. */
export interface Migration {
  readonly owner: string;
  /** from 1, without holes within the owner */
  readonly version: number;
  statements(types: ColumnTypes): readonly string[];
}

/** The columns that every row of customers' data carries: what a scope is made of. */
export const scopeColumns = (t: ColumnTypes): string =>
  `"customer" ${t.text} NOT NULL, "site" ${t.text}, "instance" ${t.text}, "class" ${t.text}`;

/**
 * Brings the store to the newest schema, all steps in one transaction. Forward only.
 * @throws BH-E-STORE-SCHEMA when the store was written by a newer version of this program
 */
export async function migrate(database: DatabaseSync, migrations: readonly Migration[]): Promise<void> {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec(`CREATE TABLE IF NOT EXISTS "schemaVersions" ("owner" TEXT PRIMARY KEY, "version" INTEGER NOT NULL)`);
    for (const [owner, steps] of byOwner(migrations)) advance(database, owner, steps);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function advance(database: DatabaseSync, owner: string, steps: readonly Migration[]): void {
  const row = database.prepare('SELECT "version" FROM "schemaVersions" WHERE "owner" = ?').get(owner);
  const current = Number(row?.['version'] ?? 0);
  const newest = steps.length;
  if (current > newest) {
    throw new BackhaulError('BH-E-STORE-SCHEMA', { detail: `${owner} is at ${current}, this program knows ${newest}` });
  }
  for (const step of steps.slice(current))
    for (const statement of step.statements(SQLITE_TYPES)) database.exec(statement);
  database
    .prepare(
      'INSERT INTO "schemaVersions" VALUES (?, ?) ON CONFLICT ("owner") DO UPDATE SET "version" = excluded."version"',
    )
    .run(owner, newest);
}

function byOwner(migrations: readonly Migration[]): Map<string, Migration[]> {
  const owners = new Map<string, Migration[]>();
  for (const migration of migrations) {
    const steps = owners.get(migration.owner) ?? [];
    if (migration.version !== steps.length + 1)
      throw new Error(`migration ${migration.owner} ${migration.version} is out of order`);
    owners.set(migration.owner, [...steps, migration]);
  }
  return owners;
}
