import { open as openFile, readdir, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger } from '@backhaul/runtime';
import { FakeClock, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { allMigrations } from '../src/store/all-migrations.ts';
import { endWhenDamaged } from '../src/store/end-when-damaged.ts';
import { SqliteDatabase } from '../src/store/sqlite-database.ts';

const ROWS = 2_000;
const PAGE = 4_096;

describe('a damaged database of the application server (F8)', () => {
  let folder: TemporaryDirectory;
  let path: string;
  let findings: string[];
  let database: SqliteDatabase;
  let damage: unknown[];

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'a.db');
    await open();
    await database.transaction((tx) =>
      tx.run(
        'INSERT INTO "facts" ("name", "value") VALUES (?, ?)',
        Array.from({ length: ROWS }, (_, n) => [nameOf(n), 'x'.repeat(100)]),
      ),
    );
    await database.stop();
  });
  afterEach(async () => {
    await database.stop();
    await folder.remove();
  });

  const nameOf = (n: number): string => `t-${String(n).padStart(5, '0')}`;

  async function open(): Promise<void> {
    findings = [];
    damage = [];
    database = new SqliteDatabase({
      ...{ path, migrations: allMigrations([]), now: () => 1 },
      report: ({ detail }) => findings.push(detail),
      onDamage: (error) => damage.push(error),
    });
    await database.start();
  }

  async function names(): Promise<string[]> {
    const rows = await database.reader.selectFrom('facts').select('name').where('name', 'like', 't-%').execute();
    return rows.map(({ name }) => name);
  }

  async function overwrite(at: number, bytes: number): Promise<void> {
    const file = await openFile(path, 'r+');
    await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, at);
    await file.close();
  }

  it('whole: nothing is reported', async () => {
    await open();
    expect(findings).to.deep.equal([]);
    expect(await names()).to.have.length(ROWS);
  });

  it('a page that makes no sense: kept aside, reported, and what is whole goes on', async () => {
    await overwrite(Math.floor((await stat(path)).size / PAGE / 2) * PAGE, PAGE);
    await open();
    expect(findings[0]).to.match(/is damaged .* kept as .*a\.db\.damaged-1/);
    expect((await names()).length).to.be.within(1, ROWS);
    await database.transaction((tx) => tx.run('INSERT INTO "facts" ("name", "value") VALUES (?, ?)', [['t-new', 'x']]));
    expect(await names()).to.include('t-new');
    await database.stop();
    await open();
    expect(findings).to.deep.equal([]);
  });

  it('a number that is more than one can be, in a row that was hit: left out like a row that cannot be read', async () => {
    await open();
    await database.transaction(async (tx) => {
      await tx.run('CREATE TABLE "numbers" ("value" INTEGER)', [[]]);
      await tx.run('INSERT INTO "numbers" VALUES (1), (9223372036854775807), (2)', [[]]);
    });
    await database.stop();
    await overwrite(Math.floor((await stat(path)).size / PAGE / 2) * PAGE, PAGE);
    await open();
    expect(findings[0]).to.include('is damaged');
    const numbers = await database.read<{ value: number }>('SELECT "value" FROM "numbers"', []);
    expect(numbers.map(({ value }) => value)).to.deep.equal([1, 2]);
  });

  it('a file that is cut', async () => {
    await truncate(path, Math.floor((await stat(path)).size / PAGE / 2) * PAGE);
    await open();
    expect(findings).to.not.deep.equal([]);
    expect((await names()).length).to.be.lessThan(ROWS);
  });

  it('a file that is no database: begins empty, with the old one kept', async () => {
    await writeFile(path, 'nonsense '.repeat(1_000));
    await open();
    expect(findings).to.not.deep.equal([]);
    expect(await names()).to.deep.equal([]);
    expect(await readdir(folder.path)).to.include('a.db.damaged-1');
  });

  it('a crash between setting the old file aside and putting the new one in its place is finished', async () => {
    await rename(path, `${path}.new`);
    await open();
    expect(await names()).to.have.length(ROWS);
  });

  it('a page that is lost while it runs is a wait for the sender, not the fault of the message', async () => {
    await open();
    await overwrite(PAGE, (await stat(path)).size - PAGE);
    const work = database.transaction((tx) => tx.all('SELECT count(*) FROM "facts" NOT INDEXED', []));
    const error = await work.then(
      () => undefined,
      (thrown: { code?: string; retryable?: boolean }) => thrown,
    );
    expect([error?.code, error?.retryable]).to.deep.equal(['BH-E-SPOOL-STOPPED', true]);
    expect(damage).to.have.length(1);
  });

  it('damage that only one step of a transaction meets is noticed, too', async () => {
    await open();
    await overwrite(PAGE, (await stat(path)).size - PAGE);
    let noticed = 0;
    const work = database.transaction(async (tx) => {
      await tx.savepoint(() => tx.all('SELECT count(*) FROM "facts" NOT INDEXED', [])).catch(() => undefined);
      noticed = damage.length;
    });
    await work.catch(() => undefined);
    expect(noticed).to.equal(1);
  });

  it('damage that only a read meets is noticed, and is a wait', async () => {
    await open();
    await overwrite(PAGE, (await stat(path)).size - PAGE);
    const codeOf = (work: Promise<unknown>) => work.then(String, ({ code }: { code: string }) => code);
    expect(await codeOf(database.read('SELECT count(*) FROM "facts" NOT INDEXED', []))).to.equal('BH-E-SPOOL-STOPPED');
    expect(damage).to.have.length(1);
    expect(await codeOf(names())).to.equal('BH-E-SPOOL-STOPPED');
    expect(damage).to.have.length(2);
  });

  describe('the process', () => {
    const start = () => {
      const clock = new FakeClock();
      const ended: number[] = [];
      const onDamage = endWhenDamaged({ clock, logger: silentLogger, end: (exitCode) => ended.push(exitCode) });
      return { clock, ended, onDamage };
    };

    it('ends at once, so that the next start mends it', async () => {
      const { clock, ended, onDamage } = start();
      await clock.advance(3_600_000);
      onDamage(new Error('malformed'));
      onDamage(new Error('malformed'));
      await clock.advance(1_000);
      expect(ended).to.deep.equal([74]);
    });

    it('never within ten minutes of its start: what no start mends must not be a circle', async () => {
      const { clock, ended, onDamage } = start();
      await clock.advance(1_000);
      onDamage(new Error('malformed'));
      await clock.advance(598_000);
      expect(ended).to.deep.equal([]);
      await clock.advance(1_000);
      expect(ended).to.deep.equal([74]);
    });
  });
});
