import { maskedCrc32c } from './crc32c.ts';
import { unsnappy } from './snappy.ts';
import { readVarint } from './varint.ts';

/*
 * A LevelDB table (table_format.md): blocks, each followed by type u8 (0 plain, 1 Snappy) and a masked CRC-32C u32 of block and type;
 * then a footer of 48 bytes: handles (offset, size as varints) of the metaindex and the index, padding, magic.
 */
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;
const SNAPPY = 1;
/** of a block, plain */
const BLOCK_BYTES = 64 * 1024 * 1024;

export interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Where metaindex and index stand; undefined when the file does not end as a table does. Throws RangeError. */
export function footerOf(table: Buffer): readonly [metaindex: Handle, index: Handle] | undefined {
  if (table.length < FOOTER_BYTES) return undefined;
  const footer = table.subarray(table.length - FOOTER_BYTES);
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) return undefined;
  return readHandles(footer, 2) as [Handle, Handle];
}

export function isInside(table: Buffer, { offset, size }: Handle): boolean {
  return offset + size + TRAILER_BYTES <= table.length - FOOTER_BYTES;
}

export function isWhole(table: Buffer, { offset, size }: Handle): boolean {
  const stored = table.readUInt32LE(offset + size + 1);
  return maskedCrc32c(table.subarray(offset, offset + size + 1)) === stored;
}

export function blockOf(table: Buffer, { offset, size }: Handle): Buffer {
  const block = table.subarray(offset, offset + size);
  return table[offset + size] === SNAPPY ? unsnappy(block, BLOCK_BYTES) : block;
}

/** Handles of the blocks that an index or a metaindex tells. Throws RangeError. */
export function handlesIn(index: Buffer): Handle[] {
  return [...entriesIn(index)].map(({ value }) => readHandles(value, 1)[0]!);
}

/** Entries: shared, unshared and value length as varints, unshared key, value; restarts u32 …, their number u32. */
export function* entriesIn(block: Buffer): Generator<{ key: Buffer; value: Buffer }> {
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  let key: Buffer = Buffer.alloc(0);
  for (let at = 0; at < end; ) {
    const [shared, afterShared] = readVarint(block, at);
    const [unshared, afterUnshared] = readVarint(block, afterShared);
    const [length, start] = readVarint(block, afterUnshared);
    key = Buffer.concat([key.subarray(0, shared), block.subarray(start, start + unshared)]);
    at = start + unshared + length;
    yield { key, value: block.subarray(start + unshared, at) };
  }
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
