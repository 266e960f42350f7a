import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BUILT } from '../fleet/role-process.ts';
import { backlog } from './backlog.ts';
import { helpText } from './help.ts';
import { install } from './install/install.ts';
import { cleanUpWhenEnded } from './measure/clean-up.ts';
import { type BenchOptions, readBenchOptions } from './options.ts';
import { profileOfMessage } from './profile/profile.ts';
import { quick } from './quick.ts';
import { keptResults } from './report/kept-result.ts';
import { thisMachine } from './report/machine.ts';
import { markdownReport } from './report/markdown-report.ts';
import { writePage } from './report/page.ts';
import { profileReport } from './report/profile-report.ts';
import { showBacklog, showRelay } from './report/relay-report.ts';
import { runWorkloads } from './run-workloads.ts';
import type { Workload } from './workload.ts';
import { ALL_WORKLOADS } from './workloads/all-workloads.ts';
import { shortLook } from './workloads/short-look.ts';

const PARTS = ['spool', 'qos', 'hop', 'accept', 'forward-path', 'receive', 'guards'];
/** Debian's servers stand where a user's PATH does not look. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const say = (line: string): void => console.error(line);

process.env['PATH'] = [process.env['PATH'], ...SERVER_FOLDERS].join(':');
cleanUpWhenEnded();
try {
  await carryOut(readBenchOptions(process.argv.slice(2)));
} catch (error) {
  say(`${(error as Error).message}\nnpm run bench -- --help`);
  process.exitCode = 2;
}

async function carryOut(options: BenchOptions): Promise<void> {
  const { help, page, names } = options;
  const [first, ...rest] = names;
  if (help) return console.log(helpText(ALL_WORKLOADS, PARTS));
  if (options.install) return install(say);
  if (first === 'profile') return runProfile(options);
  if (page) return makePage();
  if (first === 'quick') return runQuick(options);
  if (first === 'backlog') return runBacklog(options, rest[0]);
  if (first !== undefined && PARTS.includes(first)) return runPart(first, rest);
  return runNamed(options);
}

async function runNamed({ names, json, small, pairs }: BenchOptions): Promise<void> {
  const workloads = names.length === 0 ? ALL_WORKLOADS : names.map(workloadOf);
  const results = await runWorkloads(workloads, { quick: small, pairs, say });
  if (json) console.log(JSON.stringify(results, null, 2));
  if (names.length === 0 && !small) makePage();
}

/** The relay alone, then a short look at each peer. */
async function runQuick({ json }: BenchOptions): Promise<void> {
  const relay = await quick(BUILT, say);
  if (!json) showRelay(relay);
  const [peers] = await runWorkloads([shortLook], { quick: true, say });
  if (json) console.log(JSON.stringify({ ...relay, peers }, null, 2));
}

async function runBacklog({ json }: BenchOptions, messages: string | undefined): Promise<void> {
  const result = await backlog(BUILT, say, messages === undefined ? undefined : Number(messages));
  if (json) console.log(JSON.stringify(result, null, 2));
  else showBacklog(result);
}

/** Where the time of one message goes; with `--page` the table of docs/performance.md. */
async function runProfile({ json, page }: BenchOptions): Promise<void> {
  const machine = thisMachine();
  const profile = await profileOfMessage(say);
  const rolesOf = profile.roles.map((role) => ({ ...role, steps: Object.fromEntries(role.steps) }));
  const report = profileReport(profile, machine);
  console.log(json ? JSON.stringify({ machine, ...profile, roles: rolesOf }, null, 2) : report);
  if (page) writePage('profile', report);
}

function runPart(name: string, rest: readonly string[]): void {
  const file = fileURLToPath(new URL(`parts/${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, [...process.execArgv, file, ...rest], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

function makePage(): void {
  const kept = keptResults(ALL_WORKLOADS.map(({ name }) => name));
  const titles = Object.fromEntries(ALL_WORKLOADS.map(({ name, title }) => [name, title]));
  writePage('bench', markdownReport(kept, titles));
  say(`docs/performance.md: ${kept.map(({ result }) => result.workload).join(', ') || 'no results are kept'}`);
}

function workloadOf(name: string): Workload {
  const found = ALL_WORKLOADS.find((workload) => workload.name === name);
  if (found !== undefined) return found;
  const known = ['quick', 'backlog', 'profile', ...ALL_WORKLOADS.map((workload) => workload.name), ...PARTS];
  throw new Error(`no workload ${name}; there are: ${known.join(', ')}`);
}
