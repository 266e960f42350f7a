import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeDiskBytes, readJson, VERSION, writeFileAtomic } from '@backhaul/runtime';
import { need } from '@backhaul/testkit';
import { expect } from 'chai';
import { z } from 'zod';

describe('files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backhaul-files-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('replaces a file as a whole, with its mode, and makes its folders', async () => {
    const path = join(folder, 'a', 'b', 'key.pem');
    await writeFileAtomic(path, 'one', 0o600);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    await writeFileAtomic(path, Buffer.from('two'));
    expect(readFileSync(path, 'utf8')).to.equal('two');
    expect(statSync(path).mode & 0o777).to.equal(0o644);
    expect(readdirSync(join(folder, 'a', 'b'))).to.deep.equal(['key.pem']);
  });

  it('is never seen half, and leaves nothing behind when many write at once', async () => {
    const path = join(folder, 'file');
    const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
    await writeFileAtomic(path, contents[0]!);
    const writing = Promise.all(contents.map((text) => writeFileAtomic(path, text)));
    for (let i = 0; i < 20; i++) expect(contents).to.include(readFileSync(path, 'utf8'));
    await writing;
    expect(contents).to.include(readFileSync(path, 'utf8'));
    expect(readdirSync(folder)).to.deep.equal(['file']);
  });

  it('leaves the old file when the new one cannot be put in place', async () => {
    const path = join(folder, 'taken');
    await writeFileAtomic(join(path, 'inside'), 'x');
    expect(await writeFileAtomic(path, 'new').catch((error) => error.code)).to.be.oneOf([
      'EISDIR',
      'ENOTEMPTY',
      'EEXIST',
    ]);
    expect(readdirSync(folder)).to.deep.equal(['taken']);
  });

  it('syncs the file before the rename and the folder after it', function () {
    need(this, 'program', 'strace');
    const script = `import('@backhaul/runtime').then(({ writeFileAtomic }) => writeFileAtomic('${folder}/f', 'x'))`;
    const trace = spawnSync(
      'strace',
      ['-f', '-e', 'trace=fsync,rename', process.execPath, '--conditions=backhaul-source', '-e', script],
      { cwd: import.meta.dirname, encoding: 'utf8' },
    );
    const calls = [...trace.stderr.matchAll(/(fsync|rename)\(/g)].map(([, name]) => name);
    expect(calls).to.deep.equal(['fsync', 'rename', 'fsync']);
  });

  it('reads JSON by a schema, with a code for each way it can fail', async () => {
    const path = join(folder, 'x.json');
    const schema = z.strictObject({ a: z.number() });
    const code = () => readJson(path, schema).catch((error) => error.code);
    expect(await code()).to.equal('BH-E-NOT-FOUND');
    writeFileSync(path, '{');
    expect(await code()).to.equal('BH-E-JSON');
    writeFileSync(path, '{"a": "1"}');
    expect(await code()).to.equal('BH-E-JSON');
    writeFileSync(path, '{"a": 1}');
    expect(await readJson(path, schema)).to.deep.equal({ a: 1 });
  });

  it('says how much disk is free, for a path that is not there yet, too', async () => {
    const free = await freeDiskBytes(folder);
    expect(free).to.be.greaterThan(0);
    expect(await freeDiskBytes(join(folder, 'not', 'there'))).to.be.closeTo(free, 1e9);
  });

  it('knows its version', () => {
    expect(VERSION).to.match(/^\d+\.\d+\.\d+/);
  });
});
