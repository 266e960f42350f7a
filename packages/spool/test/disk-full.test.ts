import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelStore } from '@backhaul/spool';
import { codeOf, sampleEntries } from '@backhaul/spool/contract';
import { need, type SmallDisk, smallDisk, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { Level } from 'level';
import { Child } from './support/child.ts';

/** Bytes of a value: moves the place in the log file at which the append fails. */
const OFFSETS = [600, 737, 874, 1_011, 1_148, 1_285, 1_422, 1_559];
const KIB = 1024;

describe('a full disk (E1)', function () {
  this.timeout(60_000);
  let disk: SmallDisk;

  beforeEach(async function () {
    need(this, 'root', 'a small tmpfs');
    disk = await smallDisk(8);
  });
  afterEach(() => disk?.remove());

  /** Fill until an append fails, free space, write 1,000 synced, kill -9. */
  async function writeOverFullDisk(kind: 'bare' | 'guarded', directory: string, bytes: number): Promise<string[]> {
    const child = new Child('./disk-full-writer.ts', [kind, directory, String(bytes)]);
    try {
      await child.saw('ready');
      await disk.fill(300 * KIB);
      child.say('write');
      await child.saw('failed');
      await disk.free();
      child.say('go on');
      await child.saw('done');
    } finally {
      await child.kill();
    }
    return child.acknowledged;
  }

  /** How many acknowledged keys a fresh opening does not find. */
  async function countLost(databaseDirectory: string, acknowledged: readonly string[]): Promise<number> {
    const level = new Level<string, Buffer>(databaseDirectory, { valueEncoding: 'buffer' });
    const found = new Set(await level.keys().all());
    await level.close();
    return acknowledged.filter((key) => !found.has(key)).length;
  }

  it('bare LevelDB loses what it acknowledged after a failed append; this is why there are guards', async () => {
    const lost: number[] = [];
    for (const bytes of OFFSETS) {
      const directory = join(disk.path, String(bytes));
      const acknowledged = await writeOverFullDisk('bare', directory, bytes);
      lost.push(await countLost(directory, acknowledged));
      await disk.remove();
      disk = await smallDisk(8);
    }
    console.log(`      bare classic-level lost of 1,000 acknowledged after the disk was full: ${lost.join(', ')}`);
    expect(lost.reduce((sum, count) => sum + count, 0)).to.be.greaterThan(0);
  });

  for (const bytes of OFFSETS) {
    it(`loses nothing that was acknowledged (values of ${bytes} bytes)`, async () => {
      const directory = join(disk.path, 'store');
      const acknowledged = await writeOverFullDisk('guarded', directory, bytes);
      expect(acknowledged.length).to.be.greaterThan(1_000);
      expect(await countLost(join(directory, 'db'), acknowledged)).to.equal(0);
      const store = new LevelStore({
        directory,
        clock: systemClock,
        logger: silentLogger,
        ballastBytes: 0,
        reserveBytes: 0,
      });
      await store.start();
      expect(store.findings()).to.deep.equal([]);
      await store.stop();
    });
  }

  it('T-A25: refuses before accepting, still drains, and takes messages again by itself once there is room', async () => {
    const directory = join(disk.path, 'store');
    const reopen = { tries: 1_000, waitMs: 10 };
    const space = { ballastBytes: 1024 * KIB, reserveBytes: 512 * KIB, spaceCheckMs: 10, writeBufferSize: 256 * KIB };
    const store = new LevelStore({ directory, clock: systemClock, logger: silentLogger, reopen, ...space });
    const spool = new LaneQueue({
      store,
      clock: systemClock,
      prefix: 'up',
      maxBytes: 100_000_000,
      maxMessages: 100_000,
    });
    await store.start();
    await spool.load();
    const accept = (): Promise<void> =>
      commitChanges(store, [spool.stage(sampleEntries(10, { body: randomBytes(2 * KIB) }))]); // does not compress
    for (let n = 0; n < 20; n += 1) await accept();
    await disk.fill(700 * KIB);

    let code: string | undefined;
    for (let n = 0; n < 100 && code !== 'BH-E-SPOOL-FULL'; n += 1) {
      code = await codeOf(accept);
      await systemClock.sleep(5);
    }
    expect(code).to.equal('BH-E-SPOOL-FULL');
    await disk.fill(0);
    await until('open', () => store.state === 'open');
    const held = spool.depth().messages;
    for (let n = 0; n < 5; n += 1) {
      const claim = await spool.claim({ maxMessages: 10, maxBytes: 1_000_000 });
      await commitChanges(store, [
        spool.settle(
          claim!,
          claim!.entries.map(() => ({ outcome: 'accepted' as const })),
        ).change,
      ]);
    }
    expect(spool.depth().messages).to.equal(held - 50);

    await disk.free();
    await until('new messages are taken', async () => (await codeOf(accept)) === undefined);
    await store.stop();
  });
});
