import { chmodSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { removeTemporaryFolders, runIn, temporaryFolder } from './test-context.ts';

describe('Backup and restore', () => {
  let folder = '';
  beforeEach(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder, 'data', 'identity'), { recursive: true });
    writeFileSync(join(folder, 'data', 'identity', 'key.pem'), 'a key', { mode: 0o600 });
    writeFileSync(join(folder, 'data', 'notes.txt'), 'notes');
    writeFileSync(join(folder, 'data', 'runtime.json'), JSON.stringify({ pid: process.pid }));
    symlinkSync('notes.txt', join(folder, 'data', 'current'));
    chmodSync(join(folder, 'data', 'identity'), 0o700);
  });
  afterEach(removeTemporaryFolders);

  const backup = () => runIn(folder, ['backup', '--data', 'data', '--to', 'copy', '--json']);
  const restore = () => runIn(folder, ['restore', '--from', 'copy', '--data', 'back']);

  it('brings everything back as it was, but not what belongs to the running process', async () => {
    expect((await backup()).exitCode).to.equal(0);
    expect((await restore()).exitCode).to.equal(0);
    expect(readFileSync(join(folder, 'back', 'identity', 'key.pem'), 'utf8')).to.equal('a key');
    expect(statSync(join(folder, 'back', 'identity', 'key.pem')).mode & 0o777).to.equal(0o600);
    expect(statSync(join(folder, 'back', 'identity')).mode & 0o777).to.equal(0o700);
    expect(readlinkSync(join(folder, 'back', 'current'))).to.equal('notes.txt');
    expect(() => statSync(join(folder, 'back', 'runtime.json'))).to.throw('ENOENT');
  });

  it('lets nobody else read the copy', async () => {
    await backup();
    for (const path of ['copy/files/notes.txt', 'copy/manifest.json'])
      expect(statSync(join(folder, path)).mode & 0o077).to.equal(0);
  });

  it('refuses a LevelDB store that is in use', async () => {
    mkdirSync(join(folder, 'data', 'store'));
    writeFileSync(join(folder, 'data', 'store', 'CURRENT'), 'MANIFEST-000001\n');
    const { exitCode, stderr } = await backup();
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-SPOOL-LOCKED').and.include(String(process.pid));
  });

  it('takes it when its process is gone', async () => {
    mkdirSync(join(folder, 'data', 'store'));
    writeFileSync(join(folder, 'data', 'store', 'CURRENT'), 'MANIFEST-000001\n');
    writeFileSync(join(folder, 'data', 'runtime.json'), JSON.stringify({ pid: 2 ** 30 }));
    expect((await backup()).exitCode).to.equal(0);
  });

  it('copies an SQL store while it is written to', async () => {
    mkdirSync(join(folder, 'data', 'store'));
    const open = new DatabaseSync(join(folder, 'data', 'store', 'appserver.db'));
    open.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2)');
    expect((await backup()).exitCode).to.equal(0);
    open.close();
    await restore();
    const copy = new DatabaseSync(join(folder, 'back', 'store', 'appserver.db'));
    expect(copy.prepare('SELECT sum(n) AS sum FROM t').get()).to.deep.include({ sum: 3 });
    copy.close();
  });

  it('restores nothing from a damaged copy', async () => {
    await backup();
    chmodSync(join(folder, 'copy', 'files', 'notes.txt'), 0o600);
    writeFileSync(join(folder, 'copy', 'files', 'notes.txt'), 'other');
    const { exitCode, stderr } = await restore();
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-BULK-HASH').and.include('notes.txt');
    expect(() => statSync(join(folder, 'back'))).to.throw('ENOENT');
  });

  it('writes nowhere but into the folder, whatever the manifest says', async () => {
    await backup();
    const manifest = JSON.parse(readFileSync(join(folder, 'copy', 'manifest.json'), 'utf8'));
    manifest.links = [{ path: 'current', target: '../../../etc/passwd' }];
    writeFileSync(join(folder, 'copy', 'manifest.json'), JSON.stringify(manifest));
    const { stderr } = await restore();
    expect(stderr).to.include('BH-E-NAME');
    manifest.links = [];
    manifest.files = [{ ...manifest.files[0], path: '../outside' }];
    writeFileSync(join(folder, 'copy', 'manifest.json'), JSON.stringify(manifest));
    expect((await restore()).exitCode).to.equal(1);
  });

  it('neither backs up into nor restores over what is there', async () => {
    await backup();
    expect((await backup()).stderr).to.include('BH-E-CONFLICT');
    expect((await runIn(folder, ['restore', '--from', 'copy', '--data', 'data'])).stderr).to.include('BH-E-CONFLICT');
    expect((await runIn(folder, ['backup', '--data', 'data', '--to', 'data/copy'])).exitCode).to.equal(2);
  });
});
