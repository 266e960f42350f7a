/** What a client process is told; numbers of messages go on from run to run. */
export interface Order {
  readonly from: number;
  readonly count: number;
  /** paced; as fast as acknowledgements come when left out */
  readonly perSecond?: number | undefined;
}

/** What it answers, when all are acknowledged or have arrived. */
export interface Done {
  /** steady ms of the first message handed in */
  readonly startedAt: number;
  /** steady ms of the last acknowledgement, or arrival */
  readonly endedAt: number;
  /** steady ms of each message, in order of their numbers; of a paced run only */
  readonly times: readonly number[];
}

export type Answer = { readonly ready: true } | Done;

/** About what one of ours is with its header; the first 8 bytes are its number. */
const MESSAGE_BYTES = 1_000;
const TEMPLATE = Buffer.alloc(MESSAGE_BYTES, 'a message of about one kilobyte, half of it header, half of it body. ');

export function numberedMessage(number: number): Buffer {
  const message = Buffer.allocUnsafe(MESSAGE_BYTES);
  TEMPLATE.copy(message);
  message.writeDoubleBE(number);
  return message;
}

export function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getFloat64(0);
}
