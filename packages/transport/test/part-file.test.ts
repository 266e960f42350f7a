import { createHash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
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
    const disk = await shortWrite(`${path}.part`);
    const failed = await part.append(Buffer.from('defg')).catch((error) => error.code);
    disk.restore();
    expect([failed, part.length]).to.deep.equal(['BH-E-INTERNAL', 3]);
    await part.append(Buffer.from('defg'));
    expect(part.matches(sha256('abcdefg'))).to.equal(true);
    await part.publish();
    await part.close();
    expect(await readFile(path, 'utf8')).to.equal('abcdefg');
  });

  it('goes on with what an earlier run has left', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'artifact');
    await writeFile(`${path}.part`, 'abc');
    const part = await PartFile.open(path);
    await part.append(Buffer.from('d'));
    expect([part.length, part.matches(sha256('abcd'))]).to.deep.equal([4, true]);
    await part.close();
  });
});
