import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Options } from '../options.ts';
import type { SuiteResult } from '../suite.ts';

export interface SuiteReport {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  /** why it was not run here */
  readonly missing?: string;
  readonly result?: SuiteResult;
}

/** What one run leaves: one part of the night, or a gate. */
export interface Report {
  readonly profile: Options['profile'];
  readonly shard: { readonly index: number; readonly of: number };
  readonly seed: number;
  readonly version: string;
  /** YYYY-MM-DD */
  readonly date: string;
  readonly machine: string;
  readonly seconds: number;
  readonly suites: readonly SuiteReport[];
}

export function reportOf(options: Options, suites: readonly SuiteReport[], seconds: number): Report {
  return {
    profile: options.profile,
    shard: options.shard,
    seed: options.seed,
    version: (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${process.platform} ${release()}, Node ${process.versions.node}`,
    seconds: Math.round(seconds),
    suites,
  };
}

/** @returns the file */
export function writeReport(folder: string, report: Report): string {
  mkdirSync(folder, { recursive: true });
  const { profile, shard, seed } = report;
  const file = join(folder, `${profile}-${shard.index}-of-${shard.of}-seed-${seed}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  return file;
}

/** All that have been left of one profile, such as the parts of the night. */
export function readReports(folder: string, profile: Options['profile']): Report[] {
  return globSync(join(folder, `${profile}-*.json`))
    .sort()
    .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
}
