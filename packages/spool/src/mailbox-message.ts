import type { MailboxMessage } from './types.ts';

/** `length u32 | JSON [id, received at, expires at (0: never), header bytes] | header | body` */
export function encodeMailboxMessage(message: MailboxMessage): Buffer {
  const { id, receivedAt, expiresAt, header, body } = message;
  const row = Buffer.from(JSON.stringify([id, receivedAt, expiresAt ?? 0, header.length]));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(row.length);
  return Buffer.concat([length, row, header, body]);
}

/** Header and body share memory with the value. */
export function decodeMailboxMessage(value: Uint8Array): MailboxMessage {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const start = 4 + bytes.readUInt32LE(0);
  const [id, receivedAt, expiresAt, length] = JSON.parse(bytes.toString('utf8', 4, start)) as [
    string,
    number,
    number,
    number,
  ];
  return {
    id,
    receivedAt,
    ...(expiresAt === 0 ? {} : { expiresAt }),
    header: bytes.subarray(start, start + length),
    body: bytes.subarray(start + length),
  };
}
