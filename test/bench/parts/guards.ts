/**
 * What each guard of the store costs: npm run bench -- guards [turns] [folder]
 * Commits of 256 KiB (256 messages in one record) and of 1 KiB (one message), one after the other, with one guard more in each row.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { LevelStore } from '@backhaul/spool';
import { seededRandom } from '@backhaul/testkit';
import { Level } from 'level';
import { frame } from '../../../packages/spool/src/framing.ts';
import { SyncedNames } from '../../../packages/spool/src/synced-names.ts';
import { TailMark } from '../../../packages/spool/src/tail-mark.ts';

const SHAPES = [
  { name: '256 messages a commit', bytes: 256 * 1024, messages: 256, commits: 6 },
  { name: 'one message a commit', bytes: 1024, messages: 1, commits: 30 },
];
const turns = Number(process.argv[2] ?? 41);
const folder = await mkdtemp(join(process.argv[3] ?? tmpdir(), 'guards-bench-'));
const dice = seededRandom(1);

/** Writes one value under a key, and is closed at the end. */
interface Writer {
  write(key: string, value: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Guards in the order in which they are put on. */
interface Guards {
  readonly sync?: boolean;
  readonly checksum?: boolean;
  readonly number?: boolean;
  readonly names?: boolean;
  readonly mark?: 'later' | 'with each commit';
}

const ROWS: readonly (readonly [string, (directory: string) => Promise<Writer>])[] = [
  ['bare classic-level, no sync', (directory) => bare(directory, {})],
  ['+ sync of every commit (R1)', (directory) => bare(directory, { sync: true })],
  ['+ checksum in every value (R3)', (directory) => bare(directory, { sync: true, checksum: true })],
  ['+ number in every commit (R4)', (directory) => bare(directory, { sync: true, checksum: true, number: true })],
  [
    '+ names of new logs synced (R9)',
    (directory) => bare(directory, { sync: true, checksum: true, number: true, names: true }),
  ],
  [
    '+ tail mark (R6)',
    (directory) => bare(directory, { sync: true, checksum: true, number: true, names: true, mark: 'later' }),
  ],
  ['all of it: LevelStore', guarded],
  [
    '(not taken: tail mark synced with every commit)',
    (directory) => bare(directory, { sync: true, checksum: true, number: true, names: true, mark: 'with each commit' }),
  ],
];

async function bare(directory: string, guards: Guards): Promise<Writer> {
  const level = new Level<string, Buffer>(directory, { valueEncoding: 'buffer' });
  await level.open();
  const names = new SyncedNames();
  if (guards.names) names.open(directory);
  const mark = new TailMark(`${directory}.mark`, systemClock);
  if (guards.mark !== undefined) mark.open();
  const file = openSync(`${directory}.mark.synced`, 'w');
  let commits = 0;
  return {
    async write(key, value) {
      commits += 1;
      const batch = level.batch().put(key, guards.checksum ? frame(key, value) : value);
      if (guards.number) batch.put('!commits', frame('!commits', numberOf(commits)));
      await batch.write({ sync: guards.sync === true } as object);
      await names.sync(() => mark.touch(commits));
      if (guards.mark === 'later') mark.write(commits);
      if (guards.mark !== 'with each commit') return;
      writeSync(file, frame('mark', numberOf(commits)), 0, 16, 0);
      fdatasyncSync(file);
    },
    async close() {
      names.close();
      await mark.close();
      closeSync(file);
      await level.close();
    },
  };
}

async function guarded(directory: string): Promise<Writer> {
  const store = new LevelStore({ directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 });
  await store.start();
  return { write: (key, value) => store.commit([{ type: 'put', key, value }]), close: () => store.stop() };
}

function numberOf(commit: number): Buffer {
  const value = Buffer.alloc(8);
  value.writeBigUInt64LE(BigInt(commit));
  return value;
}

interface Cost {
  /** messages a second */
  readonly rate: number;
  /** processor time of a commit, µs */
  readonly cpu: number;
}

/**
 * Each row gets its turn of a few commits, again and again, each time in another order, and the median of its turns counts: whatever else
 * the machine does meets all of them alike.
 */
async function measure(shape: (typeof SHAPES)[number], value: Buffer): Promise<Cost[]> {
  const writers = await Promise.all(ROWS.map(([, open], row) => open(join(folder, `store-${row}`))));
  const taken = ROWS.map(() => ({ seconds: [] as number[], cpu: [] as number[] }));
  for (let turn = 0; turn < turns; turn += 1) {
    for (let place = 0; place < ROWS.length; place += 1) {
      const row = (place * 3 + turn) % ROWS.length; // 3 and 8 have no divisor in common
      const [begun, cpu] = [performance.now(), process.cpuUsage()];
      for (let n = 0; n < shape.commits; n += 1) await writers[row]!.write(keyOf(turn * shape.commits + n), value);
      const { user, system } = process.cpuUsage(cpu);
      taken[row]!.seconds.push((performance.now() - begun) / 1000);
      taken[row]!.cpu.push(user + system);
    }
  }
  for (const writer of writers) await writer.close();
  for (const row of ROWS.keys()) await rm(join(folder, `store-${row}`), { recursive: true });
  return taken.map(({ seconds, cpu }) => ({
    rate: (shape.commits * shape.messages) / median(seconds),
    cpu: median(cpu) / shape.commits,
  }));
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1]!;
}

function keyOf(n: number): string {
  return `r/6/${String(n).padStart(12, '0')}`;
}

for (const shape of SHAPES) {
  const costs = await measure(shape, Buffer.from(dice.bytes(shape.bytes)));
  const synced = costs[1]!.rate;
  console.log(`\n${shape.name}, ${turns * shape.commits} commits each, median of ${turns} turns:`);
  for (const [row, [name]] of ROWS.entries()) {
    const { rate, cpu } = costs[row]!;
    const figures = `${Math.round(rate).toLocaleString('en').padStart(9)} messages/s, ${(rate / synced).toFixed(2)} of synced`;
    console.log(`  ${name.padEnd(50)} ${figures}, ${Math.round(cpu)} µs of processor a commit`);
  }
}
await rm(folder, { recursive: true, force: true });
