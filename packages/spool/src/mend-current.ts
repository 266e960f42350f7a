import { open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * `CURRENT` only names the newest manifest. Without it LevelDB begins an empty database over the old one, and deletes its tables; so
 * it is written again when it does not name one. Returns what was done, undefined when all is well; that includes a database whose
 * making was cut off before it held anything.
 */
export async function mendCurrent(databaseDirectory: string): Promise<string | undefined> {
  const names = await readdir(databaseDirectory).catch(() => []);
  if (!names.some((name) => /\.(ldb|log)$/.test(name))) return undefined;
  const manifests = names.filter((name) => /^MANIFEST-\d+$/.test(name));
  const current = join(databaseDirectory, 'CURRENT');
  const named = await readFile(current, 'utf8').catch(() => undefined);
  const newest = manifests.sort((a, b) => Number(a.slice(9)) - Number(b.slice(9))).at(-1);
  if (newest === undefined || manifests.some((name) => named === `${name}\n`)) return undefined;
  const file = await open(`${current}.new`, 'w');
  await file.writeFile(`${newest}\n`);
  await file.sync();
  await file.close();
  await rename(`${current}.new`, current);
  return `CURRENT named no manifest; it names ${newest} again`;
}

/** Tables or logs without any manifest: LevelDB would begin an empty database over them, and delete them. */
export async function isHeadless(databaseDirectory: string): Promise<boolean> {
  const names = await readdir(databaseDirectory).catch(() => []);
  return names.some((name) => /\.(ldb|log)$/.test(name)) && !names.some((name) => name.startsWith('MANIFEST-'));
}

/** No tables, and nothing in a log: its making was cut off, and there is nothing in it to lose. */
export async function isBlank(databaseDirectory: string): Promise<boolean> {
  const names = await readdir(databaseDirectory).catch(() => []);
  if (names.some((name) => name.endsWith('.ldb'))) return false;
  const logs = names.filter((name) => name.endsWith('.log')).map((name) => stat(join(databaseDirectory, name)));
  return (await Promise.all(logs)).every(({ size }) => size === 0);
}
