import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { Level } from 'level';
import { crc32c } from '../src/crc32c.ts';
import { unsnappy } from '../src/snappy.ts';
import { damagedPlaces, verifyTables } from '../src/verify-tables.ts';

describe('verifyTables', () => {
  let folder: TemporaryDirectory;
  beforeEach(async () => {
    folder = await temporaryDirectory();
  });
  afterEach(() => folder.remove());

  /** Tables as LevelDB writes them, some blocks compressed and some not. */
  async function tables(): Promise<Buffer[]> {
    const options = { valueEncoding: 'buffer', writeBufferSize: 64 * 1024 } as const;
    const level = new Level<string, Buffer>(folder.path, options);
    await level.open();
    for (let n = 0; n < 400; n += 1) {
      await level.put(
        `some/longer/key/that/compresses/${n}`,
        n % 2 === 0 ? randomBytes(1_000) : Buffer.alloc(3_000, 'x'),
      );
    }
    await (level as unknown as { compactRange(from: string, to: string): Promise<void> }).compactRange('a', 'z');
    await level.close();
    const names = (await readdir(folder.path)).filter((name) => name.endsWith('.ldb'));
    return Promise.all(names.map((name) => readFile(join(folder.path, name))));
  }

  it('knows CRC-32C', () => {
    expect(crc32c(Buffer.from('123456789'))).to.equal(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).to.equal(0x8a9136aa);
  });

  it('finds nothing in what is whole', async () => {
    const whole = await tables();
    expect(whole.length).to.be.greaterThan(0);
    expect(whole.flatMap(damagedPlaces)).to.deep.equal([]);
    expect(await verifyTables(folder.path)).to.deep.equal([]);
  });

  it('finds any single damaged byte but the padding of the footer, and never throws', async () => {
    const [table] = (await tables()) as [Buffer];
    const dice = seededRandom(5);
    for (let trial = 0; trial < 300; trial += 1) {
      const at = Math.floor(dice.fraction() * (table.length - 48));
      const damaged = Buffer.from(table);
      damaged[at]! ^= 1 + Math.floor(dice.fraction() * 255);
      expect(damagedPlaces(damaged), `byte ${at}`).to.have.length(1);
    }
    for (let at = table.length - 48; at < table.length; at += 1) {
      const damaged = Buffer.from(table);
      damaged[at]! ^= 0x91;
      damagedPlaces(damaged);
    }
    for (let length = 0; length < table.length; length += 997) damagedPlaces(table.subarray(0, length));
  });

  it('refuses Snappy that is malformed with a RangeError, whatever it is', () => {
    const dice = seededRandom(6);
    expect(unsnappy(Buffer.from([5, 0x10, 0x68, 0x65, 0x6c, 0x6c, 0x6f]), 100).toString()).to.equal('hello');
    expect(unsnappy(Buffer.from([9, 0x08, 0x61, 0x62, 0x63, 0x09, 0x03]), 100).toString()).to.equal('abcabcabc');
    for (let trial = 0; trial < 2_000; trial += 1) {
      try {
        unsnappy(dice.bytes(1 + Math.floor(dice.fraction() * 40)), 1_000);
      } catch (error) {
        expect(error).to.be.instanceOf(RangeError);
      }
    }
  });
});
