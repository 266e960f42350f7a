import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemRandom } from '@backhaul/runtime';
import { temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { builtInModules } from '../src/service-modules/built-in-modules.ts';
import { allMigrations } from '../src/store/all-migrations.ts';
import { Facts } from '../src/store/facts.ts';
import type { Migration } from '../src/store/migrations.ts';
import { backupDatabase, SqliteDatabase } from '../src/store/sqlite-database.ts';

const MIGRATIONS = allMigrations(builtInModules());
const put = (name: string) => ['INSERT INTO "facts" ("name", "value") VALUES (?, ?)', [[name, 'x']]] as const;

async function open(path: string, migrations: readonly Migration[] = MIGRATIONS): Promise<SqliteDatabase> {
  const database = new SqliteDatabase({ path, migrations });
  await database.start();
  return database;
}

const names = async (database: SqliteDatabase): Promise<string[]> =>
  (await database.reader.selectFrom('facts').select('name').where('name', 'like', 't-%').orderBy('name').execute()).map(
    ({ name }) => name,
  );

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error) => error.code ?? error.message,
  );

describe('SqliteDatabase', () => {
  it('writes through a synced log, whatever the file was before', async () => {
    await using folder = await temporaryDirectory();
    const database = await open(join(folder.path, 'a.db'));
    const [mode] = await database.transaction((tx) => tx.all<{ journal_mode: string }>('PRAGMA journal_mode', []));
    const [sync] = await database.transaction((tx) => tx.all<{ synchronous: number }>('PRAGMA synchronous', []));
    const [keys] = await database.transaction((tx) => tx.all<{ foreign_keys: number }>('PRAGMA foreign_keys', []));
    expect([mode!.journal_mode, sync!.synchronous, keys!.foreign_keys]).to.deep.equal(['wal', 2, 1]);
    await database.stop();
  });

  it('runs transactions one after the other, each whole or not at all', async () => {
    await using folder = await temporaryDirectory();
    const database = await open(join(folder.path, 'a.db'));
    const told: string[] = [];
    const one = (name: string, fails = false) =>
      database.transaction(async (tx) => {
        await tx.run(...put(`t-${name}-1`));
        await new Promise((resolve) => setImmediate(resolve));
        tx.afterCommit(() => told.push(name));
        if (fails) throw new Error('undone');
        await tx.run(...put(`t-${name}-2`));
      });
    const results = await Promise.allSettled([one('a'), one('b', true), one('c')]);
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(await names(database)).to.deep.equal(['t-a-1', 't-a-2', 't-c-1', 't-c-2']);
    expect(told).to.deep.equal(['a', 'c']);
    await database.stop();
  });

  it('what follows a commit and fails neither denies the commit nor keeps the rest from being done', async () => {
    await using folder = await temporaryDirectory();
    const failures: unknown[] = [];
    const path = join(folder.path, 'a.db');
    const onAfterCommitFailed = (error: unknown) => failures.push((error as Error).message);
    const database = new SqliteDatabase({ path, migrations: MIGRATIONS, onAfterCommitFailed });
    await database.start();
    const told: string[] = [];
    const result = await database.transaction(async (tx) => {
      await tx.run(...put('t-a'));
      tx.afterCommit(() => {
        throw new Error('a listener');
      });
      tx.afterCommit(() => told.push('after it'));
      return 'committed';
    });
    expect([result, told, failures]).to.deep.equal(['committed', ['after it'], ['a listener']]);
    expect(await names(database)).to.deep.equal(['t-a']);
    expect(database.stats().rollbacks).to.equal(0);
    await database.stop();
  });

  it('undoes a savepoint alone, with what it wanted to say afterwards', async () => {
    await using folder = await temporaryDirectory();
    const database = await open(join(folder.path, 'a.db'));
    const told: string[] = [];
    await database.transaction(async (tx) => {
      await tx.run(...put('t-before'));
      const inner = tx.savepoint(async () => {
        await tx.run(...put('t-inner'));
        tx.afterCommit(() => told.push('inner'));
        await tx.savepoint(() => tx.run(...put('t-nested')));
        throw new Error('undone');
      });
      await inner.catch(() => undefined);
      await tx.savepoint(async () => tx.afterCommit(() => told.push('second')));
      await tx.run(...put('t-after'));
    });
    expect(await names(database)).to.deep.equal(['t-after', 't-before']);
    expect(told).to.deep.equal(['second']);
    await database.stop();
  });

  it('is for one process at a time', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    const first = await open(path);
    expect(await codeOf(open(path))).to.equal('BH-E-SPOOL-LOCKED');
    await first.stop();
    await first.stop();
    await (await open(path)).stop();
  });

  it('refuses everything once closed', async () => {
    await using folder = await temporaryDirectory();
    const database = await open(join(folder.path, 'a.db'));
    await database.stop();
    expect(await codeOf(database.transaction(async () => 1))).to.equal('BH-E-DRAINING');
    expect(() => database.reader).to.throw('BH-E-DRAINING');
  });

  it('is copied whole while it is in use, never over something', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    const copy = join(folder.path, 'copy.db');
    const database = await open(path);
    await database.transaction((tx) => tx.run(...put('t-1')));
    await backupDatabase(path, copy);
    expect(await codeOf(backupDatabase(path, copy))).to.equal('BH-E-CONFLICT');
    await database.stop();
    const restored = await open(copy);
    expect(await names(restored)).to.deep.equal(['t-1']);
    await restored.stop();
  });
});

describe('Migrations', () => {
  const step = (version: number, sql: string): Migration => ({ owner: 'shop', version, statements: () => [sql] });
  const create = step(1, 'CREATE TABLE "shop" ("n" INTEGER)');

  it('go forward only by what is missing', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    await (await open(path, [create])).stop();
    await (await open(path, [create, step(2, 'ALTER TABLE "shop" ADD COLUMN "m" INTEGER')])).stop();
    const database = new DatabaseSync(path);
    expect(database.prepare('SELECT "m" FROM "shop"').all()).to.deep.equal([]);
    database.close();
  });

  it('refuse a store of a newer version, and leave it as it is', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    await (await open(path, [create, step(2, 'CREATE TABLE "later" ("n" INTEGER)')])).stop();
    expect(await codeOf(open(path, [create]))).to.equal('BH-E-STORE-SCHEMA');
  });

  it('are all or nothing', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    expect(await codeOf(open(path, [create, step(2, 'nonsense')]))).to.equal('ERR_SQLITE_ERROR');
    const database = new DatabaseSync(path);
    expect(database.prepare(`SELECT name FROM sqlite_master WHERE name = 'shop'`).all()).to.deep.equal([]);
    database.close();
    expect(readdirSync(folder.path)).to.include('a.db');
  });
});

describe('Facts', () => {
  it('give a restored copy new epochs, and a restarted store the old ones', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'a.db');
    const copy = join(folder.path, 'copy.db');
    const epochs = async (at: string) => {
      const database = await open(at);
      const facts = new Facts(database);
      const how = await facts.load(systemRandom);
      await database.stop();
      return [how, facts.require('numberingEpoch'), facts.require('mailboxEpoch')];
    };
    const [made, ...first] = await epochs(path);
    const [known, ...second] = await epochs(path);
    await backupDatabase(path, copy);
    const [restored, ...third] = await epochs(copy);
    expect([made, known, restored]).to.deep.equal(['new', 'known', 'restored']);
    expect(second).to.deep.equal(first);
    expect(third[0]).to.not.equal(first[0]);
    expect(third[1]).to.not.equal(first[1]);
  });
});
