import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoggedEntry, loggedEntries } from './log-format.ts';
import { clearFresh, putInPlace } from './put-in-place.ts';
import type { Database } from './scan-pages.ts';
import { blockOf, entriesIn, footerOf, handlesIn, isInside, isWhole } from './table-format.ts';

/** An internal key ends in `sequence << 8 | type` as u64. */
const TRAILER_BYTES = 8;
const PUT = 1;
const BATCH_BYTES = 4 * 1024 * 1024;

export interface Rescued {
  readonly entries: number;
  /** damaged blocks, and tables that could not be read at all */
  readonly damaged: number;
}

/**
 * For a database that LevelDB cannot open (its manifest is damaged or gone, a table is missing): reads every table and log itself, takes only
 * blocks and records whose checksum holds, and writes the newest of each key into a new database, which takes the old one's place. The old
 * files are kept as they are.
 *
 * This is not `repair()` [R8]. That works on the only copy, takes blocks without looking at their checksums, and tells nobody. Here nothing is
 * changed but the copy, the caller reports it as damage, each value still carries its own checksum, and the numbers of commits and records
 * show what is missing. What was deleted can come back when the table that said so is lost; it is then reported, and known to its receiver.
 */
export async function rescue(
  directory: string,
  keptAs: string,
  openDatabase: (directory: string) => Promise<Database>,
): Promise<Rescued> {
  const fresh = await clearFresh(directory);
  const files = (await readdir(directory))
    .filter((name) => /\.(ldb|sst|log)$/.test(name))
    .map((name) => join(directory, name));
  const newest = new Map<string, number>();
  let damaged = 0;
  for (const file of files) {
    const read = await readEntries(file);
    damaged += read.damaged;
    for (const { key, sequence } of read.entries) if (sequence > (newest.get(key) ?? -1)) newest.set(key, sequence);
  }
  const database = await openDatabase(fresh);
  let entries = 0;
  try {
    for (const file of files) {
      const wanted = (await readEntries(file)).entries.filter(({ key, sequence }) => newest.get(key) === sequence);
      entries += await writeAll(database, wanted);
      for (const { key } of wanted) newest.delete(key); // the same one stands in a log and in the table made of it
    }
  } finally {
    await database.close();
  }
  await putInPlace(directory, keptAs);
  return { entries, damaged };
}

/** Returns how many values were written. */
async function writeAll(database: Database, entries: readonly LoggedEntry[]): Promise<number> {
  const puts = entries.flatMap(({ key, value }) => (value === undefined ? [] : [{ type: 'put' as const, key, value }]));
  for (let at = 0; at < puts.length; ) {
    const from = at;
    for (let bytes = 0; at < puts.length && bytes < BATCH_BYTES; at += 1) bytes += puts[at]!.value.length;
    await database.batch(puts.slice(from, at), { sync: true } as object);
  }
  return puts.length;
}

/** One file in memory at a time: LevelDB keeps tables at 2 MiB, and logs at one write buffer. */
async function readEntries(path: string): Promise<{ entries: LoggedEntry[]; damaged: number }> {
  const bytes = await readFile(path);
  if (path.endsWith('.log')) return { entries: [...loggedEntries(bytes)], damaged: 0 };
  const blocks = dataBlocks(bytes);
  if (blocks === undefined) return { entries: [], damaged: 1 };
  const entries: LoggedEntry[] = [];
  let damaged = 0;
  for (const block of blocks) {
    try {
      if (block === undefined) damaged += 1;
      else entries.push(...[...entriesIn(block)].map(({ key, value }) => internalEntry(key, value)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      damaged += 1;
    }
  }
  return { entries, damaged };
}

/** The data blocks of a table, undefined for each that is damaged; undefined when its index is. */
function dataBlocks(table: Buffer): (Buffer | undefined)[] | undefined {
  try {
    const [, index] = footerOf(table) ?? [];
    if (index === undefined || !isInside(table, index) || !isWhole(table, index)) return undefined;
    const handles = handlesIn(blockOf(table, index));
    return handles.map((handle) =>
      isInside(table, handle) && isWhole(table, handle) ? blockOf(table, handle) : undefined,
    );
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function internalEntry(internalKey: Buffer, value: Buffer): LoggedEntry {
  const end = internalKey.length - TRAILER_BYTES;
  const trailer = internalKey.readBigUInt64LE(end);
  const isPut = Number(trailer & 0xffn) === PUT;
  return {
    key: internalKey.toString('utf8', 0, end),
    sequence: Number(trailer >> 8n),
    value: isPut ? value : undefined,
  };
}
