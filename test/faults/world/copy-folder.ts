import { cp, lstat } from 'node:fs/promises';

/** A data folder as somebody copies it: everything but the socket that its process had open. */
export function copyFolder(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, filter: async (path) => !(await lstat(path)).isSocket() });
}
