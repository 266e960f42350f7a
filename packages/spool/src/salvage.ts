import { clearFresh, putInPlace } from './put-in-place.ts';
import { type Database, scanPages } from './scan-pages.ts';

/**
 * Copies all that can be read into a new database and puts it in the old one's place; the old one is kept. A damaged table would
 * otherwise stop every later compaction, and with it every write. Unlike LevelDB's `repair()` [R8] it brings nothing deleted back
 * unless the deletion itself was damaged, and what is missing shows in the cores' own counts.
 */
export async function salvage(
  directory: string,
  keptAs: string,
  openDatabase: (directory: string) => Promise<Database>,
): Promise<void> {
  const fresh = await clearFresh(directory);
  const [from, to] = [await openDatabase(directory), await openDatabase(fresh)];
  try {
    for await (const page of scanPages(from, {}, () => {})) {
      await to.batch(
        page.map(([key, value]) => ({ type: 'put' as const, key, value })),
        { sync: true } as object,
      );
    }
  } finally {
    await from.close();
    await to.close();
  }
  await putInPlace(directory, keptAs);
}
