import { compress, type Encoding } from './compression.ts';
import type { StoredMessage } from './own-hop.ts';

/** A page is written anew after this: the times in its routing elements are as true as clocks of two machines are. */
const SAME_MS = 20;

/** The body of a reply that says nothing but a page of a mailbox. */
export class PageBody {
  readonly boundary: string;
  readonly plain: Buffer;
  readonly #packed = new Map<Encoding, Promise<Buffer>>();

  constructor(boundary: string, plain: Buffer) {
    this.boundary = boundary;
    this.plain = plain;
  }

  /** Packed once, whoever asks. */
  packed(encoding: Encoding): Promise<Buffer> {
    const packed = this.#packed.get(encoding) ?? compress(encoding, this.plain);
    this.#packed.set(encoding, packed);
    return packed;
  }
}

/**
 * The page that was written last. A message to a group stands in the mailboxes of all its members, and those who poll for it get the
 * same page within milliseconds: it is written, and packed, once for all of them.
 */
export class SharedPages {
  #messages: readonly StoredMessage[] = [];
  #writtenAt = Number.NEGATIVE_INFINITY;
  #body: PageBody | undefined;

  /** `now`: wall ms */
  of(messages: readonly StoredMessage[], now: number, write: () => PageBody): PageBody {
    const age = now - this.#writtenAt;
    const isSame = age >= 0 && age < SAME_MS && areSame(messages, this.#messages);
    if (this.#body !== undefined && isSame) return this.#body;
    this.#body = write();
    this.#messages = messages;
    this.#writtenAt = now;
    return this.#body;
  }
}

/** Bytes that stand in memory once; times are of this component. */
function areSame(some: readonly StoredMessage[], others: readonly StoredMessage[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ header, body, receivedAt, expiresAt }, at) => {
      const other = others[at]!;
      const isSameTime = receivedAt === other.receivedAt && expiresAt === other.expiresAt;
      return isSameTime && header === other.header && body === other.body;
    })
  );
}
