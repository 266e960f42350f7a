import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '@backhaul/testkit';
import { buildShim, type ShimOrder, shimMissing } from '../shim/shim.ts';
import { type LoggedOp, readShimLog } from '../shim/shim-log.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { Account } from './account.ts';
import { DiskModel, FATES, type Fate } from './disk-model.ts';
import { Inspector } from './inspector.ts';
import { chosen, inParallel, inScratch } from './place.ts';
import { runWorkload } from './run-workload.ts';
import { SCRIPTS } from './scripts.ts';
import { Tally } from './tally.ts';

const WIDTH = 2;
/** `mixed` is another state at each throw of the dice. */
const THROWS = 3;
/** The sync that fails in the recordings with a failure: early, in the middle, late. */
const FAILED_SYNCS = [7, 12, 20, 27];

/** What a script did to the disk and said, in order. */
interface Recording {
  readonly name: string;
  readonly root: string;
  readonly ops: readonly LoggedOp[];
}

interface State {
  readonly recording: Recording;
  /** operations done when the power went */
  readonly cut: number;
  readonly fate: Fate;
  readonly seed: number;
}

/** F7b: the power goes at any operation, and the disk keeps of what was not synced whatever it is allowed to. */
export const crashStates: FaultSuite = {
  name: 'crash-states',
  title: 'replayed crash states: power cut at an operation, unsynced writes dropped, cut, torn or undone (F7b)',
  counts: { gate: 250, nightly: 16_000 },
  missing: shimMissing,
  run: (order) => inScratch((folder) => replay(folder, order)),
};

/** The same with every sync of the process left out: what the harness must be able to see. */
export const syncLeftOut: FaultSuite = {
  name: 'sync-left-out',
  title: 'crash states with the syncs taken out: the loss must be found (F7b, planted)',
  counts: { gate: 40, nightly: 160 },
  missing: shimMissing,
  run: (order) => inScratch((folder) => plant(folder, order)),
};

async function replay(folder: string, order: SuiteOrder): Promise<SuiteResult> {
  const library = await buildShim(folder);
  const recordings: Recording[] = [];
  for (const script of Object.keys(SCRIPTS)) recordings.push(await record(folder, library, script, script, {}));
  for (const at of FAILED_SYNCS) {
    const fault = { act: 'eio', ops: ['sync'], at } as const;
    for (const script of ['rotation', 'settlement'])
      recordings.push(await record(folder, library, script, `${script} with sync ${at} failing`, fault));
  }
  return (await judgeStates(folder, recordings, order)).result();
}

async function plant(folder: string, order: SuiteOrder): Promise<SuiteResult> {
  const library = await buildShim(folder);
  const fault = { act: 'nosync', ops: ['sync'], at: 1, sticky: true } as const;
  const recording = await record(folder, library, 'settlement', 'settlement without a sync', fault);
  const tally = await judgeStates(folder, [recording], order);
  const { lost, duplicated, unexplained } = tally.counts;
  const found = lost + duplicated + unexplained;
  const notes = [`${found} losses found in ${tally.faults} states: lost ${lost}, back ${duplicated}`];
  const nothing = { lost: 0, duplicated: 0, unexplained: 0, refusedToStart: 0 };
  const failures = found > 0 ? [] : ['the syncs were left out, and nobody noticed'];
  return { faults: tally.faults, ...nothing, undetected: failures.length, notes, failures };
}

async function judgeStates(folder: string, recordings: readonly Recording[], order: SuiteOrder): Promise<Tally> {
  const all = recordings.flatMap(statesOf);
  const states = chosen(all, order);
  const tally = new Tally();
  tally.notes.push(`${all.length} states of ${recordings.length} recordings`);
  const inspectors = Array.from({ length: WIDTH }, () => new Inspector());
  const alarms: string[] = [];
  await inParallel(states, WIDTH, async (state, lane) => {
    const place = join(folder, `state-${lane}`);
    const account = await build(place, state, order.seed);
    const inspection = await inspectors[lane]!.inspect(place);
    tally.fault();
    const judgement = account.judge(inspection.contents);
    tally.whole(
      `${state.recording.name}, power cut after operation ${state.cut}, ${state.fate} (${state.seed})`,
      inspection,
      judgement,
    );
    if (judgement === undefined && inspection.findings.length > 0) alarms.push(...inspection.findings);
    await rm(place, { recursive: true });
    if (tally.faults % 500 === 0) order.progress(`${tally.faults} of ${states.length}`);
  });
  for (const inspector of inspectors) await inspector.stop();
  tally.notes.push(
    `reported where nothing acknowledged was missing: ${alarms.length}${alarms.length > 0 ? `, such as ${alarms[0]}` : ''}`,
  );
  return tally;
}

async function record(
  folder: string,
  library: string,
  script: string,
  name: string,
  fault: Pick<ShimOrder, 'act' | 'ops' | 'at' | 'sticky'>,
): Promise<Recording> {
  const place = join(folder, name.replaceAll(' ', '-'));
  await mkdir(place);
  const log = join(place, 'log');
  const end = await runWorkload(place, script, { library, cache: join(folder, 'compile-cache') }, { ...fault, log });
  if (end.lines.at(-1) !== 'done') throw new Error(`${name}: ${end.lines.at(-1)}`);
  return { name, root: join(place, 'store'), ops: readShimLog(await readFile(log)) };
}

function statesOf(recording: Recording): State[] {
  const fates = [...FATES, ...Array.from({ length: THROWS - 1 }, () => 'mixed' as const)];
  return recording.ops.flatMap((op, index) =>
    op.kind === 'say' ? [] : fates.map((fate, seed) => ({ recording, cut: index + 1, fate, seed })),
  );
}

/** The disk at that moment, and what had been said by then. */
async function build(place: string, { recording, cut, fate, seed }: State, orderSeed: number): Promise<Account> {
  const disk = new DiskModel(recording.root);
  const said: Buffer[] = [];
  for (const op of recording.ops.slice(0, cut)) {
    if (op.kind === 'say') said.push(op.data);
    else disk.apply(op);
  }
  await disk.leave(place, fate, seededRandom(cut * 31 + seed + orderSeed * 7_919));
  return new Account().hear(Buffer.concat(said).toString().split('\n').slice(0, -1));
}
