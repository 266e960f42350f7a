import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const runtime = z.looseObject({ pid: z.int().positive() });

/** The process that runs on a data folder by its `runtime.json`, when it is alive. */
export function runningPid(dataDirectory: string): number | undefined {
  const pid = pidIn(join(dataDirectory, 'runtime.json'));
  return pid !== undefined && isAlive(pid) ? pid : undefined;
}

function pidIn(file: string): number | undefined {
  try {
    return runtime.parse(JSON.parse(readFileSync(file, 'utf8'))).pid;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process, where the system tells; a number alone may have been given to another. */
export function commandLineOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return undefined;
  }
}
