import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ShimOrder, shimEnvironment } from '../shim/shim.ts';

const PROGRAM = fileURLToPath(new URL('workload.ts', import.meta.url));
const LONGEST_MS = 60_000;

export interface WorkloadEnd {
  readonly lines: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
  /** operations counted, and faults given */
  readonly counted: number;
  readonly given: number;
}

/** Runs a script on a new store in `folder/store`, with a fault. */
export async function runWorkload(
  folder: string,
  script: string,
  shim: { library: string; cache: string },
  order: Omit<ShimOrder, 'prefix' | 'state'> = {},
): Promise<WorkloadEnd> {
  const state = join(folder, 'shim-state');
  await rm(state, { force: true });
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: shim.cache,
    ...shimEnvironment(shim.library, { ...order, prefix: join(folder, 'store'), state }),
  };
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, script, join(folder, 'store')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => said.push(data));
  const slow = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(slow);
  const lines = Buffer.concat(said).toString().split('\n').slice(0, -1);
  const figures = await readFile(state);
  return {
    lines,
    code,
    signal,
    counted: Number(figures.readBigUInt64LE(0)),
    given: Number(figures.readBigUInt64LE(8)),
  };
}
