import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { programPath } from '@backhaul/testkit';

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL('fi.c', import.meta.url));

export type ShimAct = 'kill' | 'eio' | 'enospc' | 'short' | 'torn512' | 'nosync' | 'pause';
export type ShimOp = 'open' | 'write' | 'sync' | 'rename' | 'unlink' | 'truncate' | 'mkdir' | 'read';

/** What the shim is told; the head of `fi.c` explains each. Files are made when they are not there. */
export interface ShimOrder {
  readonly prefix?: string;
  readonly ops?: readonly ShimOp[];
  readonly at?: number;
  readonly act?: ShimAct;
  readonly sticky?: boolean;
  /** u64 operations counted, u64 faults given */
  readonly state?: string;
  readonly log?: string;
  /** i64 nanoseconds added to the wall clock, read anew at each look at it */
  readonly clock?: string;
}

/** Why the shim cannot be used here; undefined when it can. */
export function shimMissing(): string | undefined {
  if (process.platform !== 'linux') return 'the shim for faults is for Linux';
  return programPath('gcc') === undefined ? 'the program gcc is not installed (for the shim of faults)' : undefined;
}

/** Compiles the shim into a folder; returns its path. */
export async function buildShim(folder: string): Promise<string> {
  const library = join(folder, 'fi.so');
  await run('gcc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl', '-lpthread']);
  return library;
}

/** The environment of a process with the shim in it. */
export function shimEnvironment(library: string, order: ShimOrder): Record<string, string> {
  const told: Record<string, string | undefined> = {
    LD_PRELOAD: library,
    UV_USE_IO_URING: '0', // it would go past the shim
    FI_PREFIX: order.prefix,
    FI_OPS: order.ops?.join(','),
    FI_AT: order.at?.toString(),
    FI_ACT: order.act,
    FI_STICKY: order.sticky ? '1' : undefined,
    FI_STATE: order.state,
    FI_LOG: order.log,
    FI_CLOCK: order.clock,
  };
  return Object.fromEntries(Object.entries(told).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
