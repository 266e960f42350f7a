import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** LevelDB drops damaged log records at open with nothing but a line in its LOG [R5]. These are the lines. */
export async function droppedLines(databaseDirectory: string): Promise<string[]> {
  const text = await readFile(join(databaseDirectory, 'LOG'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => /dropping .* bytes/.test(line));
}
