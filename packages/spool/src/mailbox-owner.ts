import { nameKey, numberKey, putJson } from './keys.ts';
import type { Op } from './store.ts';
import type { MailboxMessage } from './types.ts';

/** One stored copy of a message, and who still has to get it. */
export interface SharedMessage {
  readonly number: number;
  readonly id: string;
  readonly bytes: number;
  /** on the axis of the mailboxes */
  receivedAt: number;
  /** infinite when it never expires */
  expiresAt: number;
  /** false until it is on disk */
  isWritten: boolean;
  /** owners that hold a reference, as of the last submission */
  readonly owners: Map<MailboxOwner, number>;
}

export interface Reference {
  readonly number: number;
  readonly message: SharedMessage;
}

/**
 * One owner's mailbox: references by number, from 1, never given twice. `last` and `count` are stored with every change, so that
 * a lost reference is noticed although numbers may be skipped (expiry, revocation).
 */
export class MailboxOwner {
  readonly name: string;
  readonly #prefix: string;
  /** number of the last reference, as of the last submission */
  last = 0;
  /** highest number that may have been read: what is acknowledged beyond it was never sent */
  sent = 0;
  /** as of the last submission */
  messages = 0;
  bytes = 0;
  /** numbers passed over because their time was over: an acknowledgement does not cover them */
  readonly skipped = new Set<number>();
  #references: Reference[] = [];
  #stale = 0;

  constructor(prefix: string, name: string) {
    this.#prefix = prefix;
    this.name = name;
  }

  /** Live references with a number up to `through`, in order. */
  *references(through = Number.POSITIVE_INFINITY): Generator<Reference> {
    for (const reference of this.#references) {
      if (reference.number > through) return;
      if (this.#isLive(reference)) yield reference;
    }
  }

  get oldestAt(): number | undefined {
    for (const { message } of this.references()) return message.receivedAt;
    return undefined;
  }

  /** Everything up to this number is done with. */
  get acknowledged(): number {
    for (const { number } of this.references()) return number - 1;
    return this.last;
  }

  /** Used by load, with the number that is stored. */
  attach(number: number, message: SharedMessage): void {
    this.#references.push({ number, message });
    message.owners.set(this, number);
    this.messages += 1;
    this.bytes += message.bytes;
    this.last = Math.max(this.last, number);
  }

  addOps(message: SharedMessage): Op[] {
    this.attach(this.last + 1, message);
    return [putJson(this.#referenceKey(this.last), message.number), this.#metaOp()];
  }

  /** Takes references away; the messages are deleted by whoever sees the last one go. */
  removeOps(messages: readonly SharedMessage[]): Op[] {
    const ops: Op[] = [];
    for (const message of messages) {
      const number = message.owners.get(this);
      if (number === undefined) continue;
      message.owners.delete(this);
      this.skipped.delete(number);
      this.messages -= 1;
      this.bytes -= message.bytes;
      this.#stale += 1;
      ops.push({ type: 'del', key: this.#referenceKey(number) });
    }
    this.#dropStale();
    return ops.length === 0 ? [] : [...ops, this.#metaOp()];
  }

  #isLive({ number, message }: Reference): boolean {
    return message.owners.get(this) === number;
  }

  #dropStale(): void {
    let front = 0;
    while (front < this.#references.length && !this.#isLive(this.#references[front]!)) front += 1;
    if (front > 0) this.#references.splice(0, front);
    this.#stale -= front;
    if (this.#stale <= 64 || this.#stale * 2 < this.#references.length) return;
    this.#references = this.#references.filter((reference) => this.#isLive(reference));
    this.#stale = 0;
  }

  #referenceKey(number: number): string {
    return `${this.#prefix}o/${nameKey(this.name)}/${numberKey(number)}`;
  }

  #metaOp(): Op {
    return putJson(`${this.#prefix}m/${nameKey(this.name)}`, { last: this.last, count: this.messages });
  }
}

export function sizeOf(message: Pick<MailboxMessage, 'header' | 'body'>): number {
  return message.header.length + message.body.length;
}

export function sharedMessage(number: number, message: MailboxMessage, isWritten: boolean): SharedMessage {
  const { id, receivedAt, expiresAt = Number.POSITIVE_INFINITY } = message;
  return { number, id, bytes: sizeOf(message), receivedAt, expiresAt, isWritten, owners: new Map() };
}
