import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** LevelDB drops damaged log records at open with nothing but a line in its LOG [R5]. These are the lines. */
export async function droppedLines(databaseDirectory: string): Promise<string[]> {
  const text = await readFile(join(databaseDirectory, 'LOG'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => /dropping .* bytes/.test(line));
}

/** The disk did not give what was dropped; it may the next time. Otherwise the record itself was damaged. */
export function isUnread(droppedLine: string): boolean {
  return /IO error/.test(droppedLine);
}
