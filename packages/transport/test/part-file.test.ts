import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { PartFile } from '../src/part-file.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** The disk writes a part of what it is given, and then fails. */
async function shortWrite(path: string): Promise<{ restore(): void }> {
  const handle = await open(path);
  const files = Object.getPrototypeOf(handle);
  await handle.close();
  const { appendFile } = files;
  files.appendFile = async function (this: unknown, bytes: Uint8Array): Promise<void> {
    await appendFile.call(this, bytes.subarray(0, 2));
    throw Object.assign(new Error('the disk fails'), { code: 'EIO' });
  };
  return { restore: () => (files.appendFile = appendFile) };
}

describe('PartFile', () => {
  it('what a write that failed has left is no part of it', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'artifact');
    const part = await PartFile.open(path);
    await part.append(Buffer.from('abc'));
    await part.flush();
    const disk = await shortWrite(`${path}.part`);
    await part.append(Buffer.from('defg'));
    const failed = await part.flush().catch((error) => error.code);
    disk.restore();
    expect([failed, part.length]).to.deep.equal(['BH-E-INTERNAL', 3]);
    await part.append(Buffer.from('defg'));
    await part.flush();
    expect(part.matches(sha256('abcdefg'))).to.equal(true);
    await part.publish();
    await part.close();
    expect(await readFile(path, 'utf8')).to.equal('abcdefg');
  });

  it('is made of blocks, whatever the pieces; a block that could not be written takes what was collected after it along', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'artifact');
    const bytes = randomBytes(5 * 2 ** 20 + 17);
    const part = await PartFile.open(path);
    const give = async (from: number) => {
      for (let at = from; at < bytes.length; at += 65_000) await part.append(bytes.subarray(at, at + 65_000));
      await part.flush();
    };
    const disk = await shortWrite(`${path}.part`);
    const failed = await give(0).catch((error) => error.code);
    disk.restore();
    expect([failed, part.length]).to.deep.equal(['BH-E-INTERNAL', 0]);
    await give(0);
    expect(part.length).to.equal(bytes.length);
    expect(part.matches(createHash('sha256').update(bytes).digest('hex'))).to.equal(true);
    await part.publish();
    await part.close();
    expect(bytes.equals(await readFile(path))).to.equal(true);
  });

  it('what could not be synced gets no name and is not taken up again', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'artifact');
    const part = await PartFile.open(path);
    const handle = await open(`${path}.part`);
    const files = Object.getPrototypeOf(handle);
    await handle.close();
    const { datasync } = files;
    files.datasync = async () => Promise.reject(Object.assign(new Error('the disk fails'), { code: 'EIO' }));
    try {
      const block = Buffer.alloc(2 ** 20);
      for (let n = 0; n < 70; n += 1) await part.append(block); // more than what is synced on the way
    } finally {
      files.datasync = datasync;
    }
    expect(await part.publish().catch((error) => error.code)).to.equal('BH-E-INTERNAL');
    await part.close();
    expect(await readdir(folder.path)).to.deep.equal([]);
  });

  it('goes on with what an earlier run has left', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'artifact');
    await writeFile(`${path}.part`, 'abc');
    const part = await PartFile.open(path);
    await part.append(Buffer.from('d'));
    await part.flush();
    expect([part.length, part.matches(sha256('abcd'))]).to.deep.equal([4, true]);
    await part.close();
  });
});
