import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Random } from '@backhaul/runtime';
import { seededRandom } from '@backhaul/testkit';
import { buildShim, shimMissing } from '../shim/shim.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { Account } from './account.ts';
import { Inspector } from './inspector.ts';
import { inParallel, inScratch } from './place.ts';
import { runWorkload } from './run-workload.ts';
import { Tally } from './tally.ts';

const WIDTH = 2;
const BLOCK = 4_096;
/** Scripts whose stores are damaged: tables of several levels; all kinds of cores; what several openings leave behind. */
const STORES = ['rotation', 'everything', 'restarts'];

type Damage = (bytes: Buffer, at: number) => Buffer | undefined;

const DAMAGES: Readonly<Record<string, Damage>> = {
  'flip a bit': (bytes, at) => {
    bytes[at]! ^= 1 << (at & 7);
    return bytes;
  },
  'zero 4 KiB': (bytes, at) => bytes.fill(0, at, Math.min(bytes.length, at + BLOCK)),
  'zero an aligned 4 KiB': (bytes, at) =>
    bytes.fill(0, at - (at % BLOCK), Math.min(bytes.length, at - (at % BLOCK) + BLOCK)),
  truncate: (bytes, at) => bytes.subarray(0, at),
  'duplicate a block': (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - BLOCK))]),
  'overwrite with another block': (bytes, at) => {
    bytes.copyWithin(at, 0, Math.min(BLOCK, bytes.length - at));
    return bytes;
  },
  delete: () => undefined,
};
const SWAP = 'swap with another';
const KINDS = [...Object.keys(DAMAGES), SWAP];

/** A store that was filled, and what it was said to hold. */
interface Whole {
  readonly directory: string;
  readonly lines: readonly string[];
}

/** F8: one file of a store is damaged while it is closed. */
export const corruption: FaultSuite = {
  name: 'corruption',
  title: 'a damaged file of a store: log, table, manifest, CURRENT, tail mark, ballast (F8)',
  counts: { gate: 120, nightly: 2_000 },
  missing: shimMissing,
  run: (order) => inScratch((folder) => damageStores(folder, order)),
};

async function damageStores(folder: string, order: SuiteOrder): Promise<SuiteResult> {
  const wholes = await fillStores(folder);
  const tally = new Tally();
  const inspectors = Array.from({ length: WIDTH }, () => new Inspector());
  const counts = { harmless: 0, reported: 0, missing: 0, held: 0 };
  const trials = Array.from({ length: order.count }, (_, n) => n * order.shard.of + order.shard.index);
  await inParallel(trials, WIDTH, async (trial, lane) => {
    const dice = seededRandom(order.seed * 1_000_003 + trial);
    const whole = wholes[trial % wholes.length]!;
    const place = join(folder, `trial-${lane}`);
    await cp(whole.directory, place, { recursive: true });
    const what = `trial ${trial} of seed ${order.seed}: ${await damage(place, dice)}`;
    const inspection = await inspectors[lane]!.inspect(place);
    const account = new Account().hear(whole.lines);
    const judgement = account.judge(inspection.contents);
    tally.fault();
    tally.damaged(what, inspection, judgement);
    counts.missing += judgement?.lost.length ?? 0;
    if (inspection.findings.length > 0) counts.held += Object.keys(account.certain).length;
    if (inspection.findings.length > 0) counts.reported += 1;
    else if (judgement === undefined) counts.harmless += 1;
    await rm(place, { recursive: true });
    if (tally.faults % 100 === 0) order.progress(`${tally.faults} of ${trials.length}`);
  });
  for (const inspector of inspectors) await inspector.stop();
  const ended = inspectors.reduce((sum, inspector) => sum + inspector.ended, 0);
  tally.notes.push(`${counts.reported} reported, ${counts.harmless} without any effect, ${ended} ended a process`);
  const share = ((counts.missing / Math.max(1, counts.held)) * 100).toFixed(1);
  tally.notes.push(`of what the reported stores had held, ${share} % was missing`);
  return tally.result();
}

async function fillStores(folder: string): Promise<Whole[]> {
  const shim = { library: await buildShim(folder), cache: join(folder, 'compile-cache') };
  const wholes: Whole[] = [];
  for (const script of STORES) {
    const place = join(folder, script);
    await mkdir(place);
    const end = await runWorkload(place, script, shim);
    if (end.lines.at(-1) !== 'done') throw new Error(`${script}: ${end.lines.at(-1)}`);
    wholes.push({ directory: join(place, 'store'), lines: end.lines });
  }
  return wholes;
}

/** Damages one file; says what it did. */
async function damage(directory: string, dice: Random): Promise<string> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(dice.fraction() * items.length)]!;
  const tables = (await readdir(join(directory, 'db'))).filter((name) => !/^(LOG|LOCK)/.test(name));
  const kindOf = (path: string): string => basename(path).replace(/^.*\.|-.*$/g, '');
  const kinds = [...new Set(tables.map(kindOf))];
  const chosenKind = pick([...kinds, 'mark', 'ballast']); // each kind of file as often as the others
  const files = ['tail.mark', 'ballast', ...tables.map((name) => join('db', name))];
  const path = pick(files.filter((file) => kindOf(file) === chosenKind));
  const kind = pick(KINDS);
  if (kind === SWAP) return swap(directory, path, pick(files.filter((file) => file !== path && file !== 'ballast')));
  const bytes = await readFile(join(directory, path));
  const damaged = DAMAGES[kind]!(bytes, Math.floor(dice.fraction() * bytes.length));
  await (damaged === undefined ? rm(join(directory, path)) : writeFile(join(directory, path), damaged));
  return `${kind} in ${path}`;
}

async function swap(directory: string, one: string, other: string): Promise<string> {
  const place = (path: string): string => join(directory, path);
  await rename(place(one), place('swapped'));
  await rename(place(other), place(one));
  await rename(place('swapped'), place(other));
  return `${one} and ${other} swapped (${(await stat(place(one))).size} and ${(await stat(place(other))).size} bytes)`;
}
