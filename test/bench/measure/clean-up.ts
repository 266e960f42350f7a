import { rmSync } from 'node:fs';
import { withDescendants } from './process-figures.ts';

const folders = new Set<string>();
let installed = false;

/** A folder that goes when the benchmark is ended from outside; whoever made it removes it otherwise. */
export function removedAtTheEnd(folder: string): void {
  folders.add(folder);
}

/** Ctrl-C or SIGTERM: everything that was started below this process ends, by its id, and the folders go. */
export function cleanUpWhenEnded(): void {
  if (installed) return;
  installed = true;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      endEverything();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
}

function endEverything(): void {
  endProcesses(withDescendants([process.pid]).filter((pid) => pid !== process.pid));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
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
