import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildShim, type ShimAct, type ShimOp, type ShimOrder, shimMissing } from '../shim/shim.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { Account } from './account.ts';
import { Inspector } from './inspector.ts';
import { chosen, inParallel, inScratch } from './place.ts';
import { runWorkload, type WorkloadEnd } from './run-workload.ts';
import { SCRIPTS } from './scripts.ts';
import { Tally } from './tally.ts';

const WIDTH = 2;

/** A way to fail at the n-th operation of these kinds. */
interface Way {
  readonly act: ShimAct;
  readonly ops?: readonly ShimOp[];
  readonly sticky?: boolean;
}

type Trial = Way & { readonly script: string; readonly at: number };

/** F2: the process dies at every operation of every script; then every write is cut short first. */
const DEATHS: readonly Way[] = [{ act: 'kill' }, { act: 'short', ops: ['write'] }, { act: 'torn512', ops: ['write'] }];

/** F5: every operation fails, once and from then on. */
const ERRORS: readonly Way[] = [false, true].flatMap((sticky) => [
  { act: 'eio', ops: ['write'], sticky },
  { act: 'eio', ops: ['sync'], sticky },
  { act: 'eio', ops: ['read'], sticky },
  { act: 'eio', ops: ['rename'], sticky },
  { act: 'eio', ops: ['open', 'unlink', 'mkdir', 'truncate'], sticky },
  { act: 'enospc', ops: ['write', 'open'], sticky },
]);

export const killAtEveryOperation = ioFaults({
  name: 'io-kill',
  title: 'kill -9 at an operation of the disk, whole or in the middle of a write (F2)',
  counts: { gate: 120, nightly: 2_400 },
  ways: DEATHS,
});

export const errorAtEveryOperation = ioFaults({
  name: 'io-error',
  title: 'EIO and ENOSPC at an operation of the disk, once and for good (F5)',
  counts: { gate: 100, nightly: 2_400 },
  ways: ERRORS,
});

function ioFaults({
  ways,
  ...about
}: Pick<FaultSuite, 'name' | 'title' | 'counts'> & { ways: readonly Way[] }): FaultSuite {
  return { ...about, missing: shimMissing, run: (order) => inScratch((folder) => runTrials(folder, ways, order)) };
}

async function runTrials(folder: string, ways: readonly Way[], order: SuiteOrder): Promise<SuiteResult> {
  const shim = { library: await buildShim(folder), cache: join(folder, 'compile-cache') };
  const all = await allTrials(folder, ways, shim);
  const trials = chosen(all, order);
  const tally = new Tally();
  tally.notes.push(`${all.length} places to fail in ${Object.keys(SCRIPTS).length} scripts`);
  const inspectors = Array.from({ length: WIDTH }, () => new Inspector());
  let recovered = 0;
  await inParallel(trials, WIDTH, async (trial, lane) => {
    const place = join(folder, `trial-${lane}`);
    await mkdir(place);
    const end = await runWorkload(place, trial.script, shim, orderOf(trial));
    if (end.given > 0) await judge(tally, nameOf(trial), end, inspectors[lane]!, join(place, 'store'));
    if (end.lines.some((line) => line.startsWith('now '))) recovered += 1;
    await rm(place, { recursive: true });
    if (tally.faults % 100 === 0) order.progress(`${tally.faults} of ${trials.length}`);
  });
  for (const inspector of inspectors) await inspector.stop();
  tally.notes.push(`${recovered} times the store recovered in the same process`);
  return tally.result();
}

async function judge(
  tally: Tally,
  what: string,
  end: WorkloadEnd,
  inspector: Inspector,
  directory: string,
): Promise<void> {
  tally.fault();
  const account = new Account().hear(end.lines);
  tally.add('unexplained', `${what}, in the process itself`, account.unexpected);
  if (end.code === 1 && account.phase.startsWith('error') && account.acknowledged > 0 && !isOpening(end.lines))
    tally.add('unexplained', what, [account.phase]);
  const inspection = await inspector.inspect(directory);
  tally.whole(what, inspection, account.judge(inspection.contents));
  if (inspection.findings.length > 0) tally.add('unexplained', `${what}: reported without damage`, inspection.findings);
}

/** An opening may fail while the disk does; the next one must not. */
function isOpening(lines: readonly string[]): boolean {
  return lines.at(-2) === 'opening';
}

/** Every place where a script can fail in one of these ways, counted by running it once. */
async function allTrials(
  folder: string,
  ways: readonly Way[],
  shim: { library: string; cache: string },
): Promise<Trial[]> {
  const counts = new Map<string, number>();
  const trials: Trial[] = [];
  for (const script of Object.keys(SCRIPTS)) {
    for (const way of ways) {
      const key = `${script} ${way.ops?.join()}`;
      if (!counts.has(key)) counts.set(key, await countOf(join(folder, 'count'), script, way, shim));
      for (let at = 1; at <= counts.get(key)!; at += 1) trials.push({ ...way, script, at });
    }
  }
  return trials;
}

async function countOf(
  place: string,
  script: string,
  way: Way,
  shim: { library: string; cache: string },
): Promise<number> {
  await mkdir(place);
  const end = await runWorkload(place, script, shim, way.ops === undefined ? {} : { ops: way.ops });
  await rm(place, { recursive: true });
  if (end.lines.at(-1) !== 'done') throw new Error(`${script} does not end without a fault: ${end.lines.at(-1)}`);
  return end.counted;
}

function orderOf({ script: _, ...order }: Trial): ShimOrder {
  return order;
}

function nameOf({ script, act, ops, at, sticky }: Trial): string {
  return `${script}: ${act}${sticky ? ' for good' : ''} at ${ops?.join('/') ?? 'operation'} ${at}`;
}
