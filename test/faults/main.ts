// npm run test:faults: faults on real processes and real stores, and an oracle that sees nothing but what went in and came out.
import { HELP, type Options, readOptions } from './options.ts';
import { type Report, readReports, reportOf, type SuiteReport, writeReport } from './report/report.ts';
import { addUp, showTable, writeDocs } from './report/table.ts';
import { STORE_SUITES } from './store/store-suites.ts';
import type { FaultSuite } from './suite.ts';
import { TIER_SUITES } from './tiers/tier-suites.ts';

const SUITES: readonly FaultSuite[] = [...TIER_SUITES, ...STORE_SUITES];

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions(
    process.argv.slice(2),
    SUITES.map(({ name }) => name),
  );
  if (options === undefined) return 2;
  if (options.help) {
    console.log(HELP(SUITES));
    return 0;
  }
  if (options.table) return writeDocs(addUp(readReports(options.results)));
  const report = await runAll(options);
  const file = writeReport(options.results, report);
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else showTable(addUp([report]));
  say(`result in ${file}`);
  return isWell(report) ? 0 : 1;
}

async function runAll(options: Options): Promise<Report> {
  const begun = performance.now();
  const chosen = SUITES.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const suites: SuiteReport[] = [];
  for (const suite of chosen) suites.push(await runOne(suite, options));
  return reportOf(options, suites, (performance.now() - begun) / 1000);
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
    seed: options.seed * 1_000 + options.shard.index,
    shard: options.shard,
    progress: (line) => say(`${name}: ${line}`),
  });
  for (const failure of result.failures ?? []) say(`${name}: FAILED ${failure}`);
  return { name, title, seconds: Math.round((performance.now() - begun) / 1000), result };
}

/** Of the night's number this shard has its part. */
function share({ counts }: FaultSuite, { nightly, shard }: Options): number {
  return nightly ? Math.ceil(counts.nightly / shard.of) : counts.gate;
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
