import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where a database is made that shall take the place of another. */
export function freshBeside(directory: string): string {
  return `${directory}.new`;
}

/** Empty again, whatever a crash left there. */
export async function clearFresh(directory: string): Promise<string> {
  const fresh = freshBeside(directory);
  await rm(fresh, { recursive: true, force: true });
  return fresh;
}

/** The new database is whole and closed: the old one is put aside, and the new one in its place. */
export async function putInPlace(directory: string, keptAs: string): Promise<void> {
  await syncDirectory(freshBeside(directory));
  await rename(directory, keptAs);
  await rename(freshBeside(directory), directory);
  await syncDirectory(dirname(directory));
}

/** A crash between the two renames leaves no database but a new one that is whole. */
export async function finishPutInPlace(directory: string): Promise<void> {
  if (!existsSync(directory) && existsSync(freshBeside(directory))) await rename(freshBeside(directory), directory);
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
