import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkloadResult } from '../workload.ts';
import type { Machine } from './machine.ts';

/** Not in the repository: what this machine has measured. */
export const RESULTS = fileURLToPath(new URL('../../../.bench/results', import.meta.url));

export interface KeptResult {
  readonly result: WorkloadResult;
  readonly machine: Machine;
  /** ISO time of its end */
  readonly at: string;
}

/** The last result of a workload takes the place of the one before. */
export function keepResult(kept: KeptResult, folder = RESULTS): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${kept.result.workload}.json`), `${JSON.stringify(kept, null, 2)}\n`);
}

/** Those of the workloads named, in their order; what was never run is left out. */
export function keptResults(workloads: readonly string[], folder = RESULTS): KeptResult[] {
  mkdirSync(folder, { recursive: true });
  const there = new Set(readdirSync(folder));
  return workloads
    .filter((name) => there.has(`${name}.json`))
    .map((name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as KeptResult);
}
