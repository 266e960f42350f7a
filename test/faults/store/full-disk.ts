import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { LevelStore } from '@backhaul/spool';
import { type SmallDisk, smallDisk } from '@backhaul/testkit';
import { Level } from 'level';
import { Child } from '../../../packages/spool/test/support/child.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { chosen, inParallel } from './place.ts';
import { Tally } from './tally.ts';

const WIDTH = 2;
const KIB = 1024;
/** The append fails at each page of LevelDB's block of 32 KiB, and at ever other places of a record. */
const PAGE = 4 * KIB;
const PAGES = 8;
const VARIATIONS = 2_000;
const WRITER = new URL('../../../packages/spool/test/support/disk-full-writer.ts', import.meta.url).href;

interface Variation {
  readonly leaveBytes: number;
  readonly valueBytes: number;
}

/**
 * E1: a small disk is filled until an append to the log fails, space is freed, 1,000 values are written and acknowledged, kill -9, opened
 * again. Once on bare classic-level, whose loss is told in the notes, and once on ours, whose loss is a failure.
 */
export const fullDisk: FaultSuite = {
  name: 'e1',
  title: 'disk full at an append to the log, space freed, 1,000 written, kill -9 (E1)',
  counts: { gate: 16, nightly: 200 },
  missing: () => (process.getuid?.() === 0 ? undefined : 'a small tmpfs needs root'),
  run,
};

async function run(order: SuiteOrder): Promise<SuiteResult> {
  const variations = chosen(
    Array.from({ length: VARIATIONS }, (_, n) => variation(n)),
    order,
  );
  const tally = new Tally();
  const bare = { lost: 0, of: 0, runs: 0 };
  await inParallel(variations, WIDTH, async (one) => {
    const { lost, of } = await onSmallDisk((disk) => tryBare(disk, one));
    bare.lost += lost;
    bare.of += of;
    bare.runs += lost > 0 ? 1 : 0;
    await onSmallDisk((disk) => tryOurs(disk, one, tally));
    if (tally.faults % 20 === 0) order.progress(`${tally.faults} of ${variations.length}`);
  });
  tally.notes.push(
    `bare classic-level lost ${bare.lost} of ${bare.of} acknowledged, in ${bare.runs} of ${variations.length} variations`,
  );
  return tally.result();
}

function variation(n: number): Variation {
  return { leaveBytes: 256 * KIB + (n % PAGES) * PAGE, valueBytes: 500 + ((n * 37) % 3_000) };
}

async function onSmallDisk<T>(action: (disk: SmallDisk) => Promise<T>): Promise<T> {
  const disk = await smallDisk(8);
  try {
    return await action(disk);
  } finally {
    await disk.remove();
  }
}

async function tryBare(disk: SmallDisk, one: Variation): Promise<{ lost: number; of: number }> {
  const directory = join(disk.path, 'bare');
  const acknowledged = await write('bare', disk, directory, one);
  return { lost: (await missing(directory, acknowledged)).length, of: acknowledged.length };
}

async function tryOurs(disk: SmallDisk, one: Variation, tally: Tally): Promise<void> {
  const directory = join(disk.path, 'store');
  const what = `values of ${one.valueBytes} bytes, ${one.leaveBytes} bytes left`;
  const acknowledged = await write('guarded', disk, directory, one);
  tally.fault();
  const options = { directory, clock: systemClock, logger: silentLogger, ballastBytes: 0, reserveBytes: 0 };
  const store = new LevelStore(options);
  try {
    await store.start();
    const findings = store.findings().map(({ detail }) => detail);
    await store.stop();
    tally.add('unexplained', `${what}: reported without damage`, findings);
    tally.add('lost', what, await missing(join(directory, 'db'), acknowledged));
  } catch (error) {
    tally.add('refusedToStart', what, [String(error)]);
  }
}

/** What was acknowledged. */
async function write(kind: 'bare' | 'guarded', disk: SmallDisk, directory: string, one: Variation): Promise<string[]> {
  const child = new Child(WRITER, [kind, directory, String(one.valueBytes)]);
  try {
    await child.saw('ready');
    await disk.fill(one.leaveBytes);
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

async function missing(databaseDirectory: string, acknowledged: readonly string[]): Promise<string[]> {
  const level = new Level<string, Buffer>(databaseDirectory, { valueEncoding: 'buffer' });
  const found = new Set(await level.keys().all());
  await level.close();
  return acknowledged.filter((key) => !found.has(key));
}
