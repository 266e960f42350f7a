// npm run test:faults: faults on real processes and real stores, and an oracle that sees nothing but what went in and came out.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { HELP, type Options, readOptions } from './options.ts';
import { type Report, readReports, reportOf, type SuiteReport, writeReport } from './report/report.ts';
import { addUp, showTable, writeDocs } from './report/table.ts';
import { STORE_SUITES } from './store/store-suites.ts';
import type { FaultSuite } from './suite.ts';
import { plantedNoSync } from './tiers/planted.ts';
import { TIER_SUITES } from './tiers/tier-suites.ts';

const SUITES: readonly FaultSuite[] = [...TIER_SUITES, ...STORE_SUITES];

function suitesOf({ profile }: Options): readonly FaultSuite[] {
  return profile === 'planted' ? [plantedNoSync] : SUITES;
}

// the fleets are gone; a connection that hangs in the middle of being opened must not hold up whoever waits for the result
process.exit(await main());

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  const options = readOptions(
    words,
    SUITES.map(({ name }) => name),
  );
  if (options === undefined) return 2;
  if (options.help) {
    console.log(HELP(SUITES));
    return 0;
  }
  if (options.table)
    return writeDocs(addUp(readReports(options.results, 'nightly')), readReports(options.results, 'planted'));
  if (options.profile === 'planted') return planted(options);
  const report = await runAll(options, words);
  const file = writeReport(options.results, report);
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else showTable(addUp([report]));
  say(`result in ${file}`);
  return isWell(report) ? 0 : 1;
}

/** Faults on a fleet in this process, those on bare stores in another beside it, unless there is to be one worker only. */
async function runAll(options: Options, words: readonly string[]): Promise<Report> {
  const begun = performance.now();
  const chosen = suitesOf(options).filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const apart = options.serial ? [] : chosen.filter((suite) => STORE_SUITES.includes(suite));
  const here = chosen.filter((suite) => !apart.includes(suite));
  const [others, own] =
    here.length === 0 || apart.length === 0
      ? [[], await runEach(chosen, options)]
      : await both(here, apart, options, words);
  return reportOf(options, [...own, ...others], (performance.now() - begun) / 1000);
}

function both(here: readonly FaultSuite[], apart: readonly FaultSuite[], options: Options, words: readonly string[]) {
  return Promise.all([runApart(apart, words), runEach(here, options)]);
}

async function runEach(suites: readonly FaultSuite[], options: Options): Promise<SuiteReport[]> {
  const reports: SuiteReport[] = [];
  for (const suite of suites) reports.push(await runOne(suite, options));
  return reports;
}

/** The same program once more, with these suites alone; its result comes as JSON. */
async function runApart(suites: readonly FaultSuite[], words: readonly string[]): Promise<readonly SuiteReport[]> {
  const only = suites.map(({ name }) => name).join(',');
  const results = await mkdtemp(join(tmpdir(), 'backhaul-apart-'));
  const args = [...process.execArgv, process.argv[1]!, ...words, '--json', '--only', only, '--results', results];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = await text(child.stdout);
  await rm(results, { recursive: true, force: true });
  return (JSON.parse(output) as Report).suites;
}

/** Here the oracle has to find something: it is well when all is not well. */
async function planted(options: Options): Promise<number> {
  const report = await runAll({ ...options, only: [], serial: true, profile: 'planted' }, []);
  const result = report.suites[0]?.result;
  writeReport(options.results, report);
  if (result === undefined) return 0;
  const { lost, duplicated, unexplained, undetected } = result;
  const isFound = lost + unexplained > 0;
  console.log(
    isFound
      ? `found: ${lost} lost, ${unexplained} unexplained, ${duplicated} duplicated, ${undetected} otherwise wrong after ${result.faults} power cuts`
      : `NOT found: syncs were left out, and the oracle saw nothing in ${result.faults} power cuts`,
  );
  return isFound ? 0 : 1;
}

async function runOne(suite: FaultSuite, options: Options): Promise<SuiteReport> {
  const { name, title } = suite;
  const missing = await suite.missing?.();
  if (missing !== undefined) {
    say(`${name}: not run here, because ${missing}`);
    return { name, title, missing, seconds: 0 };
  }
  const count = options.count ?? share(suite, options);
  say(`${name}: ${count} × ${title}`);
  const begun = performance.now();
  const result = await suite.run({
    count,
    seed: seedOf(options),
    shard: options.shard,
    progress: (line) => say(`${name}: ${line}`),
  });
  for (const failure of result.failures ?? []) say(`${name}: FAILED ${failure}`);
  return { name, title, seconds: Math.round((performance.now() - begun) / 1000), result };
}

/** Each part of a night has dice of its own; alone, a suite is repeated by the seed that it was given. */
function seedOf({ seed, shard }: Options): number {
  return shard.of === 1 ? seed : seed * 1_000 + shard.index;
}

/** Of the night's number this shard has its part. */
function share({ counts }: FaultSuite, { profile, shard }: Options): number {
  return profile === 'nightly' ? Math.ceil(counts.nightly / shard.of) : counts.gate;
}

function isWell({ suites }: Report): boolean {
  return suites.every(({ result }) => {
    if (result === undefined) return true;
    const { lost, duplicated, unexplained, undetected, refusedToStart, failures = [] } = result;
    return lost + duplicated + unexplained + undetected + refusedToStart + failures.length === 0;
  });
}

function say(line: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
