import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelStore, type SpoolEntry } from '@backhaul/spool';
import { sampleEntries } from '@backhaul/spool/contract';
import { seededRandom, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { Child } from './support/child.ts';

const TRIALS = Number(process.env['CORRUPTION_TRIALS'] ?? 40);
const SEED = Number(process.env['CORRUPTION_SEED'] ?? 8);
const ALL = { maxMessages: 1_000_000, maxBytes: 1e9 };
const BLOCK = 4_096;

type Damage = (bytes: Buffer, at: number) => Buffer | undefined;
const DAMAGES: Record<string, Damage> = {
  'flip a bit': (bytes, at) => {
    bytes[at]! ^= 1 << (at & 7);
    return bytes;
  },
  'zero 4 KiB': (bytes, at) => bytes.fill(0, at, Math.min(bytes.length, at + BLOCK)),
  truncate: (bytes, at) => bytes.subarray(0, at),
  'duplicate a block': (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - BLOCK))]),
  delete: () => undefined,
};

const hashOf = ({ header, body }: SpoolEntry): string => createHash('sha256').update(header).update(body).digest('hex');

describe('a damaged store (F8)', function () {
  this.timeout(120_000);
  let folder: TemporaryDirectory;
  before(async () => {
    folder = await temporaryDirectory();
  });
  after(() => folder.remove());

  interface Read {
    readonly trial: number;
    readonly read: readonly [id: string, hash: string][];
    readonly findings: readonly string[];
    readonly error?: string;
  }

  async function open(directory: string): Promise<{ store: LevelStore; spool: LaneQueue }> {
    const options = {
      directory,
      clock: systemClock,
      logger: silentLogger,
      ballastBytes: 0,
      writeBufferSize: 64 * 1024,
    };
    const store = new LevelStore(options);
    const spool = new LaneQueue({ store, clock: systemClock, prefix: 'up', maxBytes: 1e9, maxMessages: 1e6 });
    await store.start();
    await spool.load();
    return { store, spool };
  }

  /** Tables, a log and something settled in between. */
  async function filled(directory: string): Promise<Map<string, string>> {
    const random = seededRandom(1);
    const { store, spool } = await open(directory);
    const held = new Map<string, string>();
    for (let n = 0; n < 60; n += 1) {
      const entries = sampleEntries(5, { lane: n % 3 === 0 ? 2 : 6 }).map((entry) => ({
        ...entry,
        body: random.bytes(900),
      }));
      for (const entry of entries) held.set(entry.id, hashOf(entry));
      await commitChanges(store, [spool.stage(entries)]);
      if (n % 4 !== 0) continue;
      const claim = await spool.claim({ ...ALL, maxMessages: 3 });
      await commitChanges(store, [
        spool.settle(
          claim!,
          claim!.entries.map(() => ({ outcome: 'accepted' as const })),
        ).change,
      ]);
      for (const { id } of claim!.entries) held.delete(id);
    }
    await store.stop();
    return held;
  }

  it(`${TRIALS} damages: nothing altered is given out, nothing is missing in silence, and it always starts`, async () => {
    const whole = join(folder.path, 'whole');
    const held = await filled(whole);
    const dice = seededRandom(SEED);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(dice.fraction() * items.length)]!;
    const damages: string[] = [];
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const directory = join(folder.path, String(trial));
      await cp(whole, directory, { recursive: true });
      const files = (await readdir(join(directory, 'db'))).filter((name) => !/^(LOG|LOCK)/.test(name));
      const path = pick([...files.map((name) => join('db', name)), 'tail.mark']);
      const kind = pick(Object.keys(DAMAGES));
      const bytes = await readFile(join(directory, path));
      const damaged = DAMAGES[kind]!(bytes, Math.floor(dice.fraction() * bytes.length));
      await (damaged === undefined ? rm(join(directory, path)) : writeFile(join(directory, path), damaged));
      damages.push(`trial ${trial} of seed ${SEED}: ${kind} in ${path}`);
    }
    for (const read of await readAll()) check(read, held, damages[read.trial]!);
  });

  /** Damage may end the process; it is started again, as its supervisor would, and must get over it by the third start. */
  async function readAll(): Promise<Read[]> {
    const reads: Read[] = [];
    let ends = 0;
    while (reads.length < TRIALS) {
      const child = new Child('./damage-reader.ts', [folder.path, String(reads.length), String(TRIALS)]);
      await child.ended();
      const more = child.lines
        .filter((line) => line.startsWith('trial '))
        .map((line) => JSON.parse(line.slice(6)) as Read);
      reads.push(...more);
      ends = more.length > 0 ? 1 : ends + 1;
      expect(ends, `trial ${reads.length} of seed ${SEED} ends the process again and again`).to.be.lessThan(4);
    }
    return reads;
  }

  function check({ read, findings, error }: Read, held: ReadonlyMap<string, string>, what: string): void {
    expect(error, `${what}: does not start`).to.equal(undefined);
    const found = read.filter(([id]) => held.has(id)); // others were settled before the damage: sent again, and known above
    for (const [id, hash] of found) expect(hash, `${what}: altered`).to.equal(held.get(id));
    if (found.length < held.size)
      expect(findings, `${what}: ${held.size - found.length} missing in silence`).to.not.deep.equal([]);
  }
});
