import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath, temporaryDirectory } from '@backhaul/testkit';
import { withDescendants } from './process-figures.ts';

/** Calls that wait for the disk. */
const CALLS = ['fsync', 'fdatasync', 'msync', 'sync_file_range', 'syncfs'];
const ATTACH_LIMIT_MS = 20_000;

/** How often these processes waited for the disk while `action` ran, as strace sees it; undefined without strace. */
export async function seenSyncs(pids: readonly number[], action: () => Promise<unknown>): Promise<number | undefined> {
  if (programPath('strace') === undefined) return undefined;
  await using folder = await temporaryDirectory('bh-strace-');
  const file = join(folder.path, 'calls');
  const all = withDescendants(pids);
  const detach = await attach(all, file);
  try {
    await action();
  } finally {
    await detach();
  }
  return countSyncs(readFileSync(file, 'utf8'));
}

/** A call that was interrupted by another thread stands on two lines; the second says `resumed`. */
export function countSyncs(trace: string): number {
  return trace.match(new RegExp(`^(?:\\d+ +)?(?:${CALLS.join('|')})\\(`, 'gm'))?.length ?? 0;
}

/** Resolves when every thread is followed; gives what lets them go again. */
function attach(pids: readonly number[], file: string): Promise<() => Promise<void>> {
  const words = ['-f', '-e', `trace=${CALLS.join(',')}`, '-e', 'signal=none', '-o', file];
  const child = spawn('strace', [...words, ...pids.flatMap((pid) => ['-p', `${pid}`])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const detach = async () => {
    child.kill('SIGINT');
    await exited;
  };
  return new Promise((resolve, reject) => {
    let said = '';
    const late = setTimeout(() => reject(new Error(`strace did not attach: ${said}`)), ATTACH_LIMIT_MS);
    child.once('error', reject);
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (!pids.every((pid) => new RegExp(`Process ${pid} attached`).test(said))) return;
      clearTimeout(late);
      resolve(detach);
    });
  });
}
