import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { LevelStore, type LevelStoreOptions } from '@backhaul/spool';
import { codeOf } from '@backhaul/spool/contract';
import { need, smallDisk, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { Level } from 'level';
import { Child } from './support/child.ts';

const put = (key: string, value = key) => ({ type: 'put', key, value: Buffer.from(value) }) as const;

describe('LevelStore guards', () => {
  let folder: TemporaryDirectory;
  let directory: string;
  const opened: LevelStore[] = [];

  beforeEach(async () => {
    folder = await temporaryDirectory();
    directory = join(folder.path, 'store');
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.stop();
    await folder.remove();
  });

  async function openStore(options: Partial<LevelStoreOptions> = {}): Promise<LevelStore> {
    const store = new LevelStore({ directory, clock: systemClock, logger: silentLogger, ballastBytes: 0, ...options });
    opened.push(store);
    await store.start();
    return store;
  }

  async function filled(count: number, valueBytes = 1_000): Promise<void> {
    const store = await openStore();
    for (let n = 0; n < count; n += 1)
      await store.commit([put(`k/${String(n).padStart(4, '0')}`, 'x'.repeat(valueBytes))]);
    await store.stop();
  }

  async function keysOf(store: LevelStore): Promise<string[]> {
    const keys: string[] = [];
    for await (const [key] of store.scan('k/')) keys.push(key);
    return keys;
  }

  const databaseFile = async (pattern: RegExp): Promise<string> => {
    const name = (await readdir(join(directory, 'db')))
      .filter((file) => pattern.test(file))
      .sort()
      .at(-1);
    return join(directory, 'db', name!);
  };

  async function flip(path: string, fraction: number): Promise<void> {
    const bytes = await readFile(path);
    const at = Math.floor(bytes.length * fraction);
    bytes[at] = bytes[at]! ^ 0x55;
    await writeFile(path, bytes);
  }

  it('R3: a value that fails its checksum is reported, set aside, and not given out', async () => {
    await filled(3);
    const raw = new Level<string, Buffer>(join(directory, 'db'), { valueEncoding: 'buffer' });
    const value = (await raw.get('k/0001'))!;
    value[value.length - 1]! ^= 1;
    await raw.put('k/0001', value);
    await raw.put('k/0002', (await raw.get('k/0000'))!); // whole, but of another key
    await raw.close();
    const store = await openStore();
    expect(await keysOf(store)).to.deep.equal(['k/0000']);
    expect(store.findings().map(({ code }) => code)).to.deep.equal(['BH-E-SPOOL-DAMAGED', 'BH-E-SPOOL-DAMAGED']);
    await store.commit([put('k/0009')]);
    await store.stop();
    const again = await openStore();
    expect(await keysOf(again)).to.deep.equal(['k/0000', 'k/0009']);
    expect(again.findings()).to.deep.equal([]);
    await again.stop();
    const kept = new Level<string, Buffer>(join(directory, 'db'), { valueEncoding: 'buffer' });
    expect(await kept.get('!damaged/k/0001')).to.deep.equal(value);
    await kept.close();
  });

  it('R5: log records that LevelDB drops at open are reported', async () => {
    await filled(50);
    await flip(await databaseFile(/\.log$/), 0.3);
    const store = await openStore();
    expect(store.findings().some(({ code, detail }) => code === 'BH-E-SPOOL-GAP' && /dropping/.test(detail))).to.equal(
      true,
    );
  });

  it('R6: a lost tail is reported, although LevelDB takes it for the end of the log', async () => {
    await filled(50);
    const log = await databaseFile(/\.log$/);
    await truncate(log, (await readFile(log)).length - 5_000);
    const store = await openStore();
    expect(store.findings()[0]!.detail).to.match(/ends at commit 4\d, acknowledged were 50/);
    await store.commit([put('k/new')]);
    await store.stop();
    expect((await openStore()).findings()).to.deep.equal([]);
  });

  for (const commits of [3, 4]) {
    it(`R6: a torn tail mark (${commits}) leaves the one before it, and is no reason to report`, async () => {
      await filled(commits);
      const mark = await readFile(join(directory, 'tail.mark'));
      const slot = (commits % 2) * 512;
      await writeFile(join(directory, 'tail.mark'), mark.fill(0, slot, slot + 8));
      expect((await openStore()).findings()).to.deep.equal([]);
    });
  }

  for (const [what, damage] of [
    ['is gone', (path: string) => rm(path)],
    ['is not readable', (path: string) => writeFile(path, 'nonsense')],
  ] as const) {
    it(`R6: a tail mark that ${what} is reported once`, async () => {
      await filled(3);
      await damage(join(directory, 'tail.mark'));
      const store = await openStore();
      expect(store.findings()[0]!.detail).to.match(/tail.mark cannot be read/);
      await store.stop();
      expect((await openStore()).findings()).to.deep.equal([]);
    });
  }

  it('R9: a count of starts that cannot be removed keeps nobody from stopping', async () => {
    const store = await openStore();
    await rm(join(directory, 'starts'));
    await mkdir(join(directory, 'starts'));
    await store.stop();
    expect((await openStore()).state).to.equal('open');
  });

  it('a database whose making was cut off is no damage', async () => {
    await mkdir(join(directory, 'db'), { recursive: true });
    await writeFile(join(directory, 'db', 'MANIFEST-000001'), 'half');
    const store = await openStore();
    expect(store.findings()).to.deep.equal([]);
    await store.stop();
    await rm(join(directory, 'db'), { recursive: true });
    await rm(join(directory, 'tail.mark'));
    await mkdir(join(directory, 'db'));
    await writeFile(join(directory, 'db', 'MANIFEST-000001'), '');
    await writeFile(join(directory, 'db', 'CURRENT'), 'MANIFEST-000001\n');
    expect((await openStore()).findings()).to.deep.equal([]);
  });

  it('damage in a table file is reported, and what is whole is still read', async () => {
    await filled(200, 10_000);
    await (await openStore()).stop(); // writes the log into a table
    await flip(await databaseFile(/\.ldb$/), 0.5);
    const store = await openStore();
    const keys = await keysOf(store);
    expect(store.findings()).to.not.deep.equal([]);
    expect(keys.length).to.be.within(150, 199);
  });

  for (const [what, damage] of [
    ['whose manifest is damaged', (path: string) => writeFile(path, 'nonsense')],
    ['whose manifest is gone', (path: string) => rm(path)],
  ] as const) {
    it(`a database ${what} is kept aside and reported; what its tables and logs hold is there, and work goes on`, async () => {
      await filled(150, 10_000);
      await (await openStore()).stop(); // writes the log into a table
      const store = await openStore();
      await store.commit([put('k/0150'), { type: 'del', key: 'k/0003' }]); // and this into a log
      await store.stop();
      await damage(await databaseFile(/^MANIFEST/));
      const again = await openStore();
      expect(again.findings()[0]!.code).to.equal('BH-E-SPOOL-DAMAGED');
      expect(again.findings()[1]!.detail).to.match(/15[01] values were read .*; 0 of their blocks could not be/);
      expect((await readdir(directory)).some((name) => name.startsWith('db.damaged-'))).to.equal(true);
      await again.commit([put('k/new')]);
      const keys = await keysOf(again);
      expect(keys).to.include.members(['k/0000', 'k/0149', 'k/0150', 'k/new']).and.not.include('k/0003');
      expect(keys.length).to.equal(151);
    });
  }

  it('no more than three damaged databases are kept: the newest', async () => {
    for (let n = 0; n < 5; n += 1) {
      await filled(3);
      await rm(await databaseFile(/^MANIFEST/));
      await (await openStore()).stop();
    }
    const kept = (await readdir(directory)).filter((name) => name.startsWith('db.damaged-'));
    expect(kept).to.have.length(3);
    const store = await openStore();
    expect(await keysOf(store)).to.have.length(3);
  });

  it('what is read from tables is checked: a damaged block is counted and left out', async () => {
    await filled(150, 10_000);
    await (await openStore()).stop(); // writes the log into a table
    await flip(await databaseFile(/\.ldb$/), 0.5);
    await rm(await databaseFile(/^MANIFEST/));
    const store = await openStore();
    expect(store.findings()[1]!.detail).to.match(/; 1 of their blocks could not be/);
    expect((await keysOf(store)).length).to.be.within(100, 149);
    expect(store.findings()).to.have.length(2);
  });

  it('without CURRENT and manifest LevelDB would begin anew over the tables; they are read instead', async () => {
    await filled(3);
    await rm(await databaseFile(/^MANIFEST/));
    await rm(await databaseFile(/^CURRENT/));
    const store = await openStore();
    expect(store.findings()).to.not.deep.equal([]);
    expect(await keysOf(store)).to.have.length(3);
  });

  it('a crash between setting the old database aside and putting the new one in its place is finished', async () => {
    await filled(3);
    await rename(join(directory, 'db'), join(directory, 'db.new'));
    const store = await openStore();
    expect(store.findings()).to.deep.equal([]);
    expect(await keysOf(store)).to.have.length(3);
  });

  it('says who holds the folder: another opening is refused', async () => {
    await openStore();
    const second = new LevelStore({ directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 });
    expect(await codeOf(() => second.start())).to.equal('BH-E-SPOOL-LOCKED');
    await second.stop();
  });

  it('another process that is refused leaves the files alone, however often it tries', async () => {
    const store = await openStore({ writeBufferSize: 64 * 1024 });
    for (let n = 0; n < 20; n += 1) await store.commit([put(`k/${n}`, 'x'.repeat(10_000))]);
    for (let n = 0; n < 4; n += 1) {
      const other = new LevelStore({ directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 });
      expect(await codeOf(() => other.start())).to.equal('BH-E-SPOOL-LOCKED');
    }
    expect((await readdir(directory)).includes('starts')).to.equal(true);
    expect(await readFile(join(directory, 'starts'), 'utf8')).to.equal('1');
  });

  it('the third start without a clean stop checks every block, and gets over what would end the process', async () => {
    const store = await openStore();
    for (let n = 0; n < 30; n += 1) await store.commit([{ type: 'put', key: `k/${n}`, value: randomBytes(10_000) }]); // does not compress
    await store.stop();
    await (await openStore()).stop(); // writes the log into a table
    const table = await databaseFile(/\.ldb$/);
    const bytes = await readFile(table);
    await writeFile(table, bytes.fill(0xff, 50_000, 55_000));
    await writeFile(join(directory, 'starts'), '2');
    const again = await openStore();
    expect(again.findings()[0]!.detail).to.match(/damaged blocks in \d+\.ldb/);
    expect((await keysOf(again)).length).to.be.within(26, 29);
    await again.stop();
    expect(await (await openStore()).findings()).to.deep.equal([]);
  });

  it('the third start gets over a log in which a batch stands twice, too', async () => {
    await filled(20, 200);
    const log = await databaseFile(/\.log$/);
    const bytes = await readFile(log);
    const recordBytes = 7 + bytes.readUInt16LE(4); // of the first: checksum, length, type; then the batch
    await writeFile(log, Buffer.concat([bytes, bytes.subarray(0, recordBytes)]));
    await writeFile(join(directory, 'starts'), '2');
    const again = await openStore();
    expect(again.findings()[0]!.detail).to.match(/a batch stands twice in \d+\.log/);
    expect(await keysOf(again)).to.have.length(20);
    await again.stop();
    expect(await (await openStore()).findings()).to.deep.equal([]);
  });

  it('S1: every acknowledged commit is there after kill -9, in order and without a hole', async () => {
    const child = new Child('./store-writer.ts', [directory]);
    await child.saw('ok k/0000300');
    await child.kill();
    const store = await openStore();
    const keys = await keysOf(store);
    expect(store.findings()).to.deep.equal([]);
    expect(keys.slice(0, child.acknowledged.length)).to.deep.equal(child.acknowledged);
    expect(keys).to.deep.equal(keys.map((_, n) => `k/${String(n).padStart(7, '0')}`));
  });

  it('R7: holds the ballast, and nothing new is accepted without the reserve', async () => {
    const store = await openStore({ ballastBytes: 100_000, reserveBytes: 0, spaceCheckMs: 0 });
    await until('ballast', async () => (await readdir(directory)).includes('ballast'));
    expect(store.accepting).to.equal(true);
    await store.stop();
    const short = await openStore({ reserveBytes: Number.MAX_SAFE_INTEGER, spaceCheckMs: 0 });
    await until('noticed', () => !short.accepting);
    await short.commit([put('k/still')]);
  });

  describe('when writing fails', () => {
    it('rejects all that is pending, loads the cores again, and goes on', async function () {
      need(this, 'root', 'a small tmpfs');
      const disk = await smallDisk(6);
      try {
        const store = await openStore({
          directory: join(disk.path, 's'),
          ballastBytes: 1 << 20,
          reserveBytes: 0,
          spaceCheckMs: 0,
        });
        let reloads = 0;
        store.onReopened(async () => {
          expect(store.state).to.equal('recovering');
          expect(await codeOf(() => store.commit([put('k/x')]))).to.equal('BH-E-SPOOL-STOPPED');
          expect(await store.get('k/0')).to.not.equal(undefined);
          reloads += 1;
        });
        await store.commit([put('k/0')]);
        await until('ballast', async () => (await readdir(join(disk.path, 's'))).includes('ballast'));
        await disk.fill(100_000);
        const commits = Array.from({ length: 40 }, (_, n) =>
          codeOf(() => store.commit([put(`k/${n + 1}`, 'x'.repeat(20_000))])),
        );
        const codes = await Promise.all(commits);
        expect(new Set(codes)).to.deep.equal(new Set(['BH-E-SPOOL-STOPPED']));
        await until('open again', () => store.state === 'open');
        expect(reloads).to.equal(1);
        expect(store.stats().recoveries).to.equal(1);
        await store.commit([put('k/after')]);
        expect(await keysOf(store)).to.deep.equal(['k/0', 'k/after']);
        await store.stop();
      } finally {
        await disk.remove();
      }
    });

    it('R2: gives up after its tries, and says so', async function () {
      need(this, 'root', 'a small tmpfs');
      const disk = await smallDisk(6);
      try {
        const reopen = { tries: 2, waitMs: 1 };
        const store = await openStore({ directory: join(disk.path, 's'), reserveBytes: 0, reopen });
        const failed = new Promise((resolve) => store.onFailed(resolve));
        await disk.fill(50_000);
        for (let n = 0; n < 5; n += 1)
          await codeOf(() => store.commit([{ type: 'put', key: `k/${n}`, value: randomBytes(20_000) }]));
        await failed;
        expect(store.state).to.equal('failed');
        expect(await codeOf(() => store.commit([put('k/x')]))).to.equal('BH-E-SPOOL-STOPPED');
        await store.stop();
      } finally {
        await disk.remove();
      }
    });

    it('copies what can be read when a damaged table stops every compaction', async () => {
      await filled(200, 10_000);
      await (await openStore()).stop(); // writes the log into a table
      await flip(await databaseFile(/\.ldb$/), 0.5);
      const store = await openStore({ writeBufferSize: 64 * 1024, reopen: { tries: 3, waitMs: 1 } });
      for (let n = 0; n < 300 && store.stats().recoveries === 0; n += 1) {
        await codeOf(() => store.commit([{ type: 'put', key: `k/${n}`, value: randomBytes(10_000) }]));
        await until('open', () => store.state === 'open');
      }
      expect(store.stats().recoveries).to.equal(1);
      const keys = await keysOf(store);
      expect(keys.filter((key) => key.length === 6).length).to.be.within(150, 199);
      for (let n = 0; n < 100; n += 1)
        await store.commit([{ type: 'put', key: `k/x${n}`, value: randomBytes(10_000) }]);
      expect(store.stats().recoveries).to.equal(1);
    });
  });
});
