import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from './crc32c.ts';
import { unsnappy } from './snappy.ts';

/*
 * A LevelDB table (table_format.md): blocks, each followed by type u8 (0 plain, 1 Snappy) and a masked CRC-32C u32 of block and type;
 * then a footer of 48 bytes: handles (offset, size as varints) of the metaindex and the index, padding, magic.
 */
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;
const SNAPPY = 1;
const NO_TYPE = 0x7f;
const INDEX_BYTES = 64 * 1024 * 1024;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

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
  if (table.length < FOOTER_BYTES) return []; // LevelDB says so itself
  const footer = table.subarray(table.length - FOOTER_BYTES);
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) return []; // this, too
  const magicAt = table.length - 8;
  try {
    const [metaindex, index] = readHandles(footer, 2) as [Handle, Handle];
    if (![metaindex, index].every((handle) => isInside(table, handle))) return [magicAt];
    if (!isWhole(table, index)) return [index.offset + index.size];
    if (!isWhole(table, metaindex)) return [metaindex.offset + metaindex.size];
    const blocks = [metaindex, index].flatMap((handle) => indexed(blockOf(table, handle))); // the filter, and the data
    if (!blocks.every((handle) => isInside(table, handle))) return [magicAt];
    return blocks.filter((handle) => !isWhole(table, handle)).map(({ offset, size }) => offset + size);
  } catch (error) {
    if (error instanceof RangeError) return [magicAt];
    throw error;
  }
}

function isInside(table: Buffer, { offset, size }: Handle): boolean {
  return offset + size + TRAILER_BYTES <= table.length - FOOTER_BYTES;
}

function isWhole(table: Buffer, { offset, size }: Handle): boolean {
  const stored = table.readUInt32LE(offset + size + 1);
  const crc = crc32c(table.subarray(offset, offset + size + 1));
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0 === stored;
}

function blockOf(table: Buffer, { offset, size }: Handle): Buffer {
  const block = table.subarray(offset, offset + size);
  return table[offset + size] === SNAPPY ? unsnappy(block, INDEX_BYTES) : block;
}

/** Entries: shared, unshared and value length as varints, unshared key, value; restarts u32 …, their number u32. */
function indexed(index: Buffer): Handle[] {
  const end = index.length - 4 - 4 * index.readUInt32LE(index.length - 4);
  const handles: Handle[] = [];
  for (let at = 0; at < end; ) {
    const [, afterShared] = readVarint(index, at);
    const [unshared, afterUnshared] = readVarint(index, afterShared);
    const [value, afterValue] = readVarint(index, afterUnshared);
    handles.push(readHandles(index.subarray(afterValue + unshared), 1)[0]!);
    at = afterValue + unshared + value;
  }
  return handles;
}

function readHandles(bytes: Buffer, count: number): Handle[] {
  const handles: Handle[] = [];
  for (let at = 0; handles.length < count; ) {
    const [offset, afterOffset] = readVarint(bytes, at);
    const [size, afterSize] = readVarint(bytes, afterOffset);
    handles.push({ offset, size });
    at = afterSize;
  }
  return handles;
}

function readVarint(bytes: Buffer, at: number): [value: number, after: number] {
  let value = 0;
  for (let shift = 0; shift < 63; shift += 7) {
    const byte = bytes.readUInt8(at++); // RangeError past the end
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
  throw new RangeError('varint too long');
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
