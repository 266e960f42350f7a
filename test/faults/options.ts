import { parseArgs } from 'node:util';
import type { FaultSuite } from './suite.ts';

export interface Options {
  readonly help: boolean;
  /** `planted`: with a fault that the oracle must find */
  readonly profile: 'gate' | 'nightly' | 'planted';
  readonly shard: { readonly index: number; readonly of: number };
  /** names of suites; empty: all */
  readonly only: readonly string[];
  readonly seed: number;
  /** faults of each suite, whatever the profile says */
  readonly count: number | undefined;
  readonly json: boolean;
  /** one suite after the other */
  readonly serial: boolean;
  readonly table: boolean;
  /** folder of the results */
  readonly results: string;
}

export function HELP(suites: readonly FaultSuite[]): string {
  return `Faults on real processes and real stores; an oracle compares what was accepted with what came out.

  npm run test:faults                                the gate: a little of everything, minutes
  npm run test:faults -- --nightly --shard 3/8       one of eight parts of the night, under 20 minutes each
  npm run test:faults -- --table                     adds up the results of all parts into docs/reliability.md
  npm run test:faults -- --planted                   leaves the syncs of one tier out: the oracle must find what is lost
  npm run test:faults -- --only kills,power-cuts     these suites alone
  npm run test:faults -- --only kills --seed 7 --count 200
  npm run test:faults -- --json > result.json

  --seed <n>       everything random comes from it (1)
  --count <n>      faults of each suite, instead of the profile's number
  --serial         one suite after the other; else those on a fleet and those on bare stores run at the same time
  --results <dir>  where each run leaves its result as JSON (fault-results)

Suites (gate, night):
${suites.map(({ name, title, counts }) => `  ${name.padEnd(18)} ${String(counts.gate).padStart(5)} ${String(counts.nightly).padStart(6)}  ${title}`).join('\n')}

Ends with 1 when anything was lost, duplicated, unexplained, undetected or did not start again; the folder with logs and
stores is kept then, and the line that repeats it is printed.`;
}

/** Undefined when they cannot be read; why has been said. */
export function readOptions(words: readonly string[], suites: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        help: { type: 'boolean', default: false },
        nightly: { type: 'boolean', default: false },
        planted: { type: 'boolean', default: false },
        serial: { type: 'boolean', default: false },
        shard: { type: 'string', default: '1/1' },
        only: { type: 'string', default: '' },
        seed: { type: 'string', default: '1' },
        count: { type: 'string' },
        json: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        results: { type: 'string', default: 'fault-results' },
      },
    });
    const only = values.only.split(',').filter(Boolean);
    const unknown = only.find((name) => !suites.includes(name));
    if (unknown !== undefined) throw new Error(`no suite ${unknown}; there are: ${suites.join(', ')}`);
    const { help, json, serial, table, results } = values;
    const profile = values.planted ? 'planted' : values.nightly ? 'nightly' : 'gate';
    const count = values.count === undefined ? undefined : number('count', values.count);
    return {
      help,
      profile,
      shard: readShard(values.shard),
      only,
      seed: number('seed', values.seed),
      count,
      json,
      serial,
      table,
      results,
    };
  } catch (error) {
    console.error(`test:faults: ${(error as Error).message} (--help shows examples)`);
    return undefined;
  }
}

function number(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} ${text}: a whole number is needed`);
  return Number(text);
}

function readShard(text: string): Options['shard'] {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= of)) throw new Error(`--shard ${text}: k/n is needed, as in 3/8`);
  return { index, of };
}
