import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { huntPlanted } from './planted/hunt.ts';
import { printFailure, printSummary, progress } from './report.ts';
import { runMany } from './run-many.ts';
import { runSeed } from './run-seed.ts';
import { shrink } from './shrink.ts';

const HELP = `A whole network in one process: 2 application servers, 3 MLMs, 40 proxies, 2 adversaries, on a simulated clock, disk and
network; the real cores, faults by seed, invariants looked at after every event.

  npm run sim -- --seeds 20                 20 worlds of an hour each, a random half of all faults in each
  npm run sim -- --seeds 200 --workers 2    on two threads
  npm run sim -- --seed 7 --hours 4         one world, four hours
  npm run sim -- --seed 7 --only crash,lost-reply --without 3,5
                                            what a failure prints: these faults only, without these of its plan
  npm run sim -- --planted                  plants one bug after the other; each must be found
  npm run sim -- --planted --bug "commit without sync"

  --seeds N      how many worlds (default 10)
  --seed S       the first of them (default 1)
  --hours H      simulated hours in which things go wrong (default 1)
  --only KINDS   of ${FAULT_KINDS.join(', ')}
  --without N,N  places in the plan of faults that are left out
  --again N      every Nth world is run twice; both must leave the same trace (default 20, 0: never)
  --workers N    threads (default 1)
  --no-shrink    a failure is told as it is
  --json         the results as lines of JSON
  --verbose      what the nodes write in their logs
`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    hours: { type: 'string', default: '1' },
    only: { type: 'string' },
    without: { type: 'string' },
    again: { type: 'string', default: '20' },
    workers: { type: 'string', default: '1' },
    bug: { type: 'string' },
    planted: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.planted) return await huntPlanted(values.bug, (line) => console.log(line));
  const seed = number('seed', values.seed);
  const hours = number('hours', values.hours);
  const count = number('seeds', values.seeds ?? (process.argv.includes('--seed') ? '1' : '10'));
  const kinds = values.only?.split(',').filter((kind) => kind !== '') as FaultKind[] | undefined;
  const unknown = kinds?.filter((kind) => kind !== ('none' as FaultKind) && !FAULT_KINDS.includes(kind)) ?? [];
  if (unknown.length > 0) throw new Error(`no such fault: ${unknown.join(', ')}; see --help`);
  const without = new Set(values.without?.split(',').map(Number));
  const common = { hours, without, ...(kinds === undefined ? {} : { kinds }) };
  if (values.verbose) {
    const log = (node: string, level: string, fields: object, message: string): void => {
      console.log(`${node} ${level} ${message} ${JSON.stringify(fields, errorText)}`);
    };
    const result = await runSeed({ seed, log, ...common });
    printSummary([result], 0);
    return result.failure === undefined ? 0 : 1;
  }
  const began = performance.now();
  const results = await runMany({
    seeds: Array.from({ length: count }, (_, i) => seed + i),
    ...common,
    again: number('again', values.again),
    workers: number('workers', values.workers),
    onResult: (result, done) => {
      if (values.json) console.log(JSON.stringify(result));
      else progress(result, done, count);
    },
  });
  if (!values.json) printSummary(results, performance.now() - began);
  const failed = results.filter(({ failure }) => failure !== undefined);
  for (const result of failed.slice(0, 3)) {
    const shortest = values['no-shrink'] ? undefined : await shrink(result, { hours, without });
    printFailure(result, { hours, without }, shortest);
  }
  return failed.length === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} ${text}: a number is wanted; see --help`);
  return value;
}

function errorText(_key: string, value: unknown): unknown {
  return value instanceof Error ? `${value.message} ${value.cause ?? ''}` : value;
}
