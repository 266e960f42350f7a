import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@backhaul/testkit';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { ImageDisk, missingForImageDisk } from '../world/image-disk.ts';
import { Account } from './account.ts';
import { Inspector } from './inspector.ts';
import { inScratch } from './place.ts';
import { SCRIPTS } from './scripts.ts';
import { Tally } from './tally.ts';

const PROGRAM = fileURLToPath(new URL('workload.ts', import.meta.url));
const DISK_MIB = 64;
/** Commits of the script; the power goes after one of them. */
const COMMITS = 40;
/** `writeback`: what is not synced may show as a length without bytes. */
const MODES = ['data=ordered', 'data=writeback'];

/** A folder of its own each: that the last one was removed is not synced either. */
interface Cut {
  readonly directory: string;
  readonly script: string;
  readonly after: number;
}

/** F7a: the power of the disk goes while a store is at work; what was not synced is really gone. */
export const storePowerCuts: FaultSuite = {
  name: 'store-power-cuts',
  title: 'power cut of the disk of a store at work, ext4 ordered and writeback (F7a)',
  counts: { gate: 8, nightly: 200 },
  missing: missingForImageDisk,
  run: (order) => inScratch((folder) => cutMany(folder, order)),
};

async function cutMany(folder: string, order: SuiteOrder): Promise<SuiteResult> {
  const dice = seededRandom(order.seed);
  const tally = new Tally();
  const names = Object.keys(SCRIPTS);
  let acknowledged = 0;
  for (const [index, mode] of MODES.entries()) {
    const disk = await ImageDisk.make(join(folder, `image-${index}`), join(folder, `mount-${index}`), DISK_MIB, mode);
    try {
      for (let n = index; n < order.count; n += MODES.length) {
        const script = names[Math.floor(dice.fraction() * names.length)]!;
        const after = Math.floor(dice.fraction() * COMMITS);
        const what = `${script}, ${mode}, after ${after} commits, cut ${n} of seed ${order.seed}`;
        acknowledged += await cutOnce(disk, { directory: join(disk.path, `store-${n}`), script, after }, what, tally);
        if (tally.faults % 20 === 0) order.progress(`${tally.faults} of ${order.count}`);
      }
    } finally {
      await disk.remove();
    }
  }
  tally.notes.push(`${acknowledged} commits were acknowledged before the cuts`);
  return tally.result();
}

/** Returns the commits acknowledged before the cut. */
async function cutOnce(disk: ImageDisk, cut: Cut, what: string, tally: Tally): Promise<number> {
  const lines = await workUntil(cut, () => disk.cutPower());
  await disk.unmount();
  await disk.mount();
  const account = new Account().hear(lines);
  const inspector = new Inspector();
  const inspection = await inspector.inspect(cut.directory);
  await inspector.stop();
  tally.fault();
  tally.whole(what, inspection, account.judge(inspection.contents));
  await rm(cut.directory, { recursive: true, force: true });
  return account.acknowledged;
}

/** Everything the workload said; it is killed some commits after the cut, if the errors have not ended it before. */
async function workUntil({ directory, script, after }: Cut, cutPower: () => Promise<void>): Promise<string[]> {
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const lines: string[] = [];
  let commits = 0;
  let cutting: Promise<void> | undefined;
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    if (line.startsWith('ok ') || line === 'done') commits += 1;
    if (commits >= after || line === 'done') cutting ??= cutPower().then(() => void endSoon(child));
  }
  await (cutting ?? cutPower());
  await ended;
  return lines;
}

function endSoon(child: ChildProcess): NodeJS.Timeout {
  return setTimeout(() => child.kill('SIGKILL'), 20);
}
