import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from '@backhaul/testkit';
import { withDescendants } from './process-figures.ts';

let folder: string | undefined;

/**
 * However this process ends (Ctrl-C, an error nobody caught, a pipe that nobody reads any more): everything that was
 * started below it ends with it, by its id, and the one folder goes in which all private folders of the run are made.
 */
export function cleanUpWhenEnded(): void {
  if (folder !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'bh-bench-'));
  process.env['TMPDIR'] = folder;
  atExit(endEverything);
  process.once('uncaughtException', (error) => {
    process.once('uncaughtException', () => {}); // saying it may fail, too
    console.error(error);
    process.exit(1);
  });
}

function endEverything(): void {
  endProcesses(withDescendants([process.pid]).filter((pid) => pid !== process.pid));
  rmSync(folder!, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** SIGKILL: what they keep is thrown away. */
export function endProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
}
