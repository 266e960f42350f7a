import { crc32 } from 'node:zlib';

/** Every value on disk is `length u32 | CRC-32 (IEEE) u32 of key and bytes | bytes` [R3]. The key is covered: a value under another key is damage. */
const HEAD_BYTES = 8;

export function frame(key: string, bytes: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + bytes.length);
  framed.writeUInt32LE(bytes.length, 0);
  framed.set(bytes, HEAD_BYTES);
  framed.writeUInt32LE(checksum(key, framed.subarray(HEAD_BYTES)), 4);
  return framed;
}

/** The bytes, sharing memory with the frame; undefined when length or checksum do not hold. */
export function unframe(key: string, framed: Uint8Array): Buffer | undefined {
  const view = Buffer.from(framed.buffer, framed.byteOffset, framed.byteLength);
  if (view.length < HEAD_BYTES || view.readUInt32LE(0) !== view.length - HEAD_BYTES) return undefined;
  const bytes = view.subarray(HEAD_BYTES);
  return view.readUInt32LE(4) === checksum(key, bytes) ? bytes : undefined;
}

function checksum(key: string, bytes: Uint8Array): number {
  return crc32(bytes, crc32(key));
}
