import { type Message, readHeader } from '@backhaul/envelope';

/** A message that waits for its aggregate. */
export interface HeldMessage {
  readonly message: Message;
  /** wall ms at this component */
  readonly receivedAt: number;
  /** wall ms at this component */
  readonly expiresAt?: number;
}

/** u32 length of the header, f64 received, f64 expires (0: never); then header and body as they came. */
const FIXED_BYTES = 20;

export function encodeHeld({ message, receivedAt, expiresAt }: HeldMessage): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt32BE(message.headerBytes.length, 0);
  fixed.writeDoubleBE(receivedAt, 4);
  fixed.writeDoubleBE(expiresAt ?? 0, 12);
  return Buffer.concat([fixed, message.headerBytes, message.body]);
}

export function decodeHeld(stored: Uint8Array): HeldMessage {
  const bytes = Buffer.from(stored);
  const split = FIXED_BYTES + bytes.readUInt32BE(0);
  const headerBytes = bytes.subarray(FIXED_BYTES, split);
  const expiresAt = bytes.readDoubleBE(12);
  return {
    message: { header: readHeader(headerBytes), headerBytes, body: bytes.subarray(split) },
    receivedAt: bytes.readDoubleBE(4),
    ...(expiresAt === 0 ? {} : { expiresAt }),
  };
}
