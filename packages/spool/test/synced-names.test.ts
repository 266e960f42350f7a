import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { SyncedNames } from '../src/synced-names.ts';

const SECOND = 1_000_000_000n;

describe('SyncedNames (R9)', () => {
  let folder: TemporaryDirectory;
  let names: SyncedNames;
  let path: string;
  let touched: number;
  /** the time that the next touch carries, s */
  let now: bigint;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'db');
    await mkdir(path);
    names = new SyncedNames();
    names.open(path);
    touched = 0;
  });
  afterEach(async () => {
    names.close();
    await folder.remove();
  });

  const touch = (): bigint => {
    touched += 1;
    return now * SECOND;
  };
  const changedAt = (seconds: number): Promise<void> => utimes(path, seconds, seconds);

  it('a folder that has not changed is not synced again', async () => {
    await changedAt(100);
    now = 101n;
    for (let n = 0; n < 3; n += 1) await names.sync(touch);
    expect(touched).to.equal(1);
  });

  it('a new log makes it sync again', async () => {
    await changedAt(100);
    now = 101n;
    await names.sync(touch);
    await writeFile(join(path, '000007.log'), '');
    await rename(join(path, '000007.log'), join(path, '000008.log'));
    await names.sync(touch);
    expect(touched).to.equal(2);
  });

  it('a change in the tick of the last sync may hide another: it syncs until the time has moved on', async () => {
    await changedAt(100);
    now = 100n;
    for (let n = 0; n < 3; n += 1) await names.sync(touch);
    now = 101n;
    for (let n = 0; n < 3; n += 1) await names.sync(touch);
    expect(touched).to.equal(4);
  });

  it('does nothing while it is closed', async () => {
    names.close();
    await names.sync(touch);
    expect(touched).to.equal(0);
  });
});
