import { maskedCrc32c } from './crc32c.ts';
import { readVarint } from './varint.ts';

/*
 * A LevelDB log (log_format.md): blocks of 32 KiB of records `masked CRC-32C u32 of type and bytes | length u16 | type u8 | bytes`; a batch is
 * one FULL record or FIRST, MIDDLE …, LAST. A batch: `sequence u64 | count u32`, then per operation `1 | key | value` (put) or `0 | key` (delete),
 * key and value with their length as a varint before them.
 */
const BLOCK_BYTES = 32 * 1024;
const HEAD_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const PUT = 1;
const BATCH_HEAD_BYTES = 12;

/** One operation of a database. `value` undefined: the key was deleted. */
export interface LoggedEntry {
  readonly key: string;
  readonly sequence: number;
  readonly value: Buffer | undefined;
}

/** Every operation of every batch of a log that is whole; what is not is passed over. */
export function* loggedEntries(log: Buffer): Generator<LoggedEntry> {
  for (const batch of batchesIn(log)) {
    try {
      yield* [...operationsOf(batch)]; // all of it or nothing
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
}

function* batchesIn(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (const { type, bytes } of recordsIn(log)) {
    if (type === FULL || type === FIRST) parts = [];
    else if (parts.length === 0) continue; // its beginning is missing
    parts.push(bytes);
    if (type !== FULL && type !== LAST) continue;
    yield Buffer.concat(parts);
    parts = [];
  }
}

/** After a damaged record the rest of its block cannot be trusted; the next block can. A gap shows as type 0. */
function* recordsIn(log: Buffer): Generator<{ type: number; bytes: Buffer }> {
  for (let block = 0; block < log.length; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, log.length);
    for (let at = block; at + HEAD_BYTES <= end; ) {
      const next = at + HEAD_BYTES + log.readUInt16LE(at + 4);
      const isGood = next <= end && maskedCrc32c(log.subarray(at + 6, next)) === log.readUInt32LE(at);
      yield {
        type: isGood ? log.readUInt8(at + 6) : 0,
        bytes: log.subarray(at + HEAD_BYTES, isGood ? next : at + HEAD_BYTES),
      };
      if (!isGood) break;
      at = next;
    }
  }
}

function* operationsOf(batch: Buffer): Generator<LoggedEntry> {
  let sequence = Number(batch.readBigUInt64LE(0));
  for (let at = BATCH_HEAD_BYTES; at < batch.length; sequence += 1) {
    const isPut = batch.readUInt8(at) === PUT;
    const key = sliceAt(batch, at + 1);
    const value = isPut ? sliceAt(batch, key.end) : undefined;
    yield { key: key.bytes.toString(), sequence, value: value?.bytes };
    at = (value ?? key).end;
  }
}

function sliceAt(batch: Buffer, at: number): { bytes: Buffer; end: number } {
  const [length, start] = readVarint(batch, at);
  if (start + length > batch.length) throw new RangeError('batch ends early');
  return { bytes: batch.subarray(start, start + length), end: start + length };
}
