import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blockOf, footerOf, handlesIn, isInside, isWhole } from './table-format.ts';

const NO_TYPE = 0x7f;
const MAGIC_BYTES = 8;

/**
 * Checks every block of every table. The binding cannot be told to verify checksums, and LevelDB ends the process on a plain block
 * that is damaged; so a damaged block gets a type that does not exist, which LevelDB answers with an error. Returns what was found.
 */
export async function verifyTables(databaseDirectory: string): Promise<string[]> {
  const names = (await readdir(databaseDirectory).catch(() => [])).filter((name) => name.endsWith('.ldb'));
  const found: string[] = [];
  for (const name of names) {
    const path = join(databaseDirectory, name);
    const table = await readFile(path);
    const damaged = damagedPlaces(table);
    if (damaged.length === 0) continue;
    await overwrite(path, damaged);
    found.push(`${damaged.length} damaged blocks in ${name}`);
  }
  return found;
}

/** Offsets of the type bytes of damaged blocks; of the magic when the footer makes no sense. */
export function damagedPlaces(table: Buffer): number[] {
  const magicAt = table.length - MAGIC_BYTES;
  try {
    const footer = footerOf(table);
    if (footer === undefined) return []; // LevelDB says so itself
    const [metaindex, index] = footer;
    if (![metaindex, index].every((handle) => isInside(table, handle))) return [magicAt];
    if (!isWhole(table, index)) return [index.offset + index.size];
    if (!isWhole(table, metaindex)) return [metaindex.offset + metaindex.size];
    const blocks = [metaindex, index].flatMap((handle) => handlesIn(blockOf(table, handle))); // the filter, and the data
    if (!blocks.every((handle) => isInside(table, handle))) return [magicAt];
    return blocks.filter((handle) => !isWhole(table, handle)).map(({ offset, size }) => offset + size);
  } catch (error) {
    if (error instanceof RangeError) return [magicAt];
    throw error;
  }
}

async function overwrite(path: string, places: readonly number[]): Promise<void> {
  const file = await open(path, 'r+');
  try {
    for (const place of places) await file.write(Buffer.from([NO_TYPE]), 0, 1, place);
    await file.sync();
  } finally {
    await file.close();
  }
}
