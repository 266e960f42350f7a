import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, systemClock } from '@backhaul/runtime';
import { seededRandom } from '@backhaul/testkit';
import { allMigrations } from '../../../appserver/src/store/all-migrations.ts';
import { SqliteDatabase } from '../../../appserver/src/store/sqlite-database.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { inScratch } from './place.ts';
import { Tally } from './tally.ts';

const ROWS = 4_000;
const PAGE = 4_096;
const INSERT = 'INSERT INTO "facts" ("name", "value") VALUES (?, ?)';

type Damage = (bytes: Buffer, at: number) => Buffer;

/** Whole pages: SQLite has no checksum that would show a bit inside a value. */
const DAMAGES: Readonly<Record<string, Damage>> = {
  'a page of zeros': (bytes, at) => bytes.fill(0, at, at + PAGE),
  'a page of noise': (bytes, at) => bytes.fill(0xa5, at, at + PAGE),
  'a page in the place of another': (bytes, at) => {
    bytes.copyWithin(at, PAGE * 2, PAGE * 3);
    return bytes;
  },
  'the head of a page': (bytes, at) => bytes.fill(0xff, at, at + 12),
  'cut off': (bytes, at) => bytes.subarray(0, at),
};

/** F8 at the application server: a page of its database is damaged while it is closed. */
export const sqliteCorruption: FaultSuite = {
  name: 'sqlite-corruption',
  title: 'a damaged page of the application server’s database (F8)',
  counts: { gate: 30, nightly: 400 },
  run: (order) => inScratch((folder) => damageMany(folder, order)),
};

async function damageMany(folder: string, order: SuiteOrder): Promise<SuiteResult> {
  const whole = join(folder, 'whole.db');
  await fill(whole);
  const tally = new Tally();
  const dice = seededRandom(order.seed);
  const counts = { reported: 0, missing: 0, altered: 0 };
  for (let trial = 0; trial < order.count; trial += 1) {
    const place = join(folder, `trial-${trial}`);
    await mkdir(place);
    const path = join(place, 'a.db');
    await copyFile(whole, path);
    const what = `trial ${trial} of seed ${order.seed}: ${await damage(path, dice)}`;
    const { findings, held, altered, error } = await read(path);
    tally.fault();
    tally.add('refusedToStart', what, error === undefined ? [] : [error]);
    const missing = ROWS - held;
    if (findings.length > 0) counts.reported += 1;
    else if (error === undefined && missing > 0)
      tally.add('undetected', what, [`${missing} rows are missing in silence`]);
    counts.missing += missing;
    counts.altered += altered;
    tally.add('undetected', what, altered > 0 ? [`${altered} rows are altered`] : []);
    await rm(place, { recursive: true });
  }
  const share = ((counts.missing / Math.max(1, counts.reported * ROWS)) * 100).toFixed(1);
  tally.notes.push(`${counts.reported} reported; of what those had held, ${share} % was missing`);
  return tally.result();
}

const nameOf = (n: number): string => `t-${String(n).padStart(5, '0')}`;
const textOf = (name: string): string => `${name} `.repeat(20);

async function fill(path: string): Promise<void> {
  const database = new SqliteDatabase({ path, migrations: allMigrations([]) });
  await database.start();
  const rows = Array.from({ length: ROWS }, (_, n) => [nameOf(n), textOf(nameOf(n))]);
  await database.transaction((tx) => tx.run(INSERT, rows));
  await database.stop();
}

async function damage(path: string, dice: Random): Promise<string> {
  const pages = Math.floor((await stat(path)).size / PAGE);
  const page = Math.floor(dice.fraction() * pages);
  const kinds = Object.keys(DAMAGES);
  const kind = kinds[Math.floor(dice.fraction() * kinds.length)]!;
  await writeFile(path, DAMAGES[kind]!(await readFile(path), page * PAGE));
  return `${kind} at page ${page} of ${pages}`;
}

interface Read {
  readonly findings: readonly string[];
  readonly held: number;
  readonly altered: number;
  readonly error?: string;
}

/** Opens it as the role does, reads everything, and writes. */
async function read(path: string): Promise<Read> {
  const findings: string[] = [];
  const report = ({ detail }: { detail: string }): void => void findings.push(detail);
  const migrations = allMigrations([]);
  const database = new SqliteDatabase({ path, migrations, now: () => systemClock.now(), report });
  try {
    await database.start();
    const rows = await database.read<{ name: string; value: string }>(
      `SELECT "name", "value" FROM "facts" WHERE "name" LIKE 't-%'`,
      [],
    );
    await database.transaction((tx) => tx.run(INSERT, [['new', 'x']]));
    const altered = rows.filter(({ name, value }) => value !== textOf(name)).length;
    return { findings, held: rows.length, altered };
  } catch (error) {
    return { findings, held: 0, altered: 0, error: String(error) };
  } finally {
    await database.stop();
  }
}
