import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { BeforeOpening } from '../src/before-opening.ts';
import { isUnread } from '../src/level-log.ts';

describe('BeforeOpening', () => {
  let folder: TemporaryDirectory;
  let db: string;
  let before: BeforeOpening;

  beforeEach(async () => {
    folder = await temporaryDirectory('bh-before-');
    db = join(folder.path, 'db');
    before = new BeforeOpening(db);
    await mkdir(db);
    await writeFile(join(db, '000003.log'), 'acknowledged');
    await writeFile(join(db, 'CURRENT'), 'MANIFEST-000002\n');
    await writeFile(join(db, 'LOG'), 'notes');
  });
  afterEach(() => folder.remove());

  /** What LevelDB does to a log that it cannot read. */
  const openBadly = async (): Promise<void> => {
    await rm(join(db, '000003.log'));
    await rm(join(db, 'CURRENT'));
    await writeFile(join(db, 'CURRENT'), 'MANIFEST-000005\n');
    await writeFile(join(db, '000005.ldb'), 'less');
  };
  const files = async (): Promise<Record<string, string>> => {
    const names = (await readdir(db)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(db, name), 'utf8')])),
    );
  };
  const AS_IT_WAS = { '000003.log': 'acknowledged', CURRENT: 'MANIFEST-000002\n' };

  it('puts everything back as it was, the deleted and the replaced', async () => {
    await before.take();
    await openBadly();
    await before.putBack();
    expect(await files()).to.deep.equal(AS_IT_WAS);
    expect(await readdir(folder.path)).to.deep.equal(['db']);
  });

  it('does so at the next start, when a crash came between, and in the middle of putting back', async () => {
    await before.take();
    await openBadly();
    await rm(join(db, 'CURRENT'));
    await new BeforeOpening(db).take();
    expect(await files()).to.deep.equal(AS_IT_WAS);
  });

  it('leaves alone what was opened whole, although a power cut has the old names there again', async () => {
    for (const opened of ['1', '2']) {
      await before.take();
      await cp(join(folder.path, 'db.before'), join(folder.path, 'kept'), { recursive: true });
      await writeFile(join(db, `00000${opened}.log`), 'new');
      await before.forget();
      await rename(join(folder.path, 'kept'), join(folder.path, 'db.before'));
      await before.putBack();
      expect(await files()).to.include({ ...AS_IT_WAS, [`00000${opened}.log`]: 'new', opened });
      expect(await readdir(folder.path)).to.deep.equal(['db']);
    }
  });

  it('does not believe what was made or removed by half', async () => {
    await before.take();
    await rm(join(folder.path, 'db.before', '000003.log'));
    await before.putBack();
    expect(await files()).to.deep.equal({ ...AS_IT_WAS, LOG: 'notes' });
    expect(await readdir(folder.path)).to.deep.equal(['db']);
  });

  it('has nothing to keep of a database that is not there yet', async () => {
    await rm(db, { recursive: true });
    await before.take();
    await before.putBack();
    expect(await readdir(folder.path)).to.deep.equal([]);
  });

  it('is asked for by what LevelDB notes of a disk that fails, not of a record that is damaged', () => {
    expect(isUnread('000003.log: dropping 32768 bytes; IO error: db/000003.log: Input/output error')).to.equal(true);
    expect(isUnread('000003.log: dropping 1024 bytes; Corruption: checksum mismatch')).to.equal(false);
  });
});
