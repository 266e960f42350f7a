import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loggedEntries } from './log-format.ts';

/**
 * Logs in which a batch stands twice, as a block does that was written to another place, too: LevelDB ends the process over them. In a
 * whole log numbers only rise. Returns what was found.
 */
export async function verifyLogs(databaseDirectory: string): Promise<string[]> {
  const names = (await readdir(databaseDirectory).catch(() => [])).filter((name) => name.endsWith('.log'));
  const found: string[] = [];
  for (const name of names)
    if (repeats(await readFile(join(databaseDirectory, name)))) found.push(`a batch stands twice in ${name}`);
  return found;
}

function repeats(log: Buffer): boolean {
  let last = -1;
  for (const { sequence } of loggedEntries(log)) {
    if (sequence <= last) return true;
    last = sequence;
  }
  return false;
}
