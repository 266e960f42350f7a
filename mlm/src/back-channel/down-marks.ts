import type { Header } from '@backhaul/envelope';
import type { Change, Op, Store } from '@backhaul/spool';

/** What is remembered of a message from above: enough to know it again, and to tell what became of it. */
export interface DownMark {
  readonly id: string;
  readonly class: string;
  readonly subclass: string;
  /** wall ms at this component until which it is remembered */
  readonly until: number;
}

/** How long a message is remembered at most; by then its parent has long had the acknowledgement of its page. */
const REMEMBER_MS = 30 * 24 * 60 * 60 * 1000;
/** A message is remembered a little longer than it lives: its parent's clock may be behind. */
const GRACE_MS = 60 * 60 * 1000;
const SEEN = 'down/seen/';
const MAILBOX = 'down/mailbox';

/** Messages from above that were taken [B3], and how far the parent's mailbox has been taken [B2]. */
export class DownMarks {
  readonly #store: Store;
  #marks = new Map<string, DownMark>();
  #mailbox = { epoch: '0', through: 0 };

  constructor(options: { store: Store }) {
    this.#store = options.store;
  }

  /** Durably received; what the next poll acknowledges. */
  get mailbox(): { epoch: string; through: number } {
    return this.#mailbox;
  }

  async load(): Promise<void> {
    const mailbox = await this.#store.get(MAILBOX);
    const marks = new Map<string, DownMark>();
    for await (const [, value] of this.#store.scan(SEEN)) {
      const mark = parse<DownMark>(value);
      marks.set(mark.id, mark);
    }
    this.#marks = marks;
    this.#mailbox = mailbox === undefined ? { epoch: '0', through: 0 } : parse(mailbox);
  }

  find(id: string): DownMark | undefined {
    return this.#marks.get(id);
  }

  /** The messages of one page are taken, and the page itself. */
  stage(
    taken: readonly { header: Header; expiresAt: number | undefined }[],
    mailbox: { epoch: string; through: number },
    now: number,
  ): Change {
    const marks = taken.map(({ header, expiresAt }) => ({
      id: header.id,
      class: header.class,
      subclass: header.subclass,
      until: Math.min(now + REMEMBER_MS, (expiresAt ?? Number.POSITIVE_INFINITY) + GRACE_MS),
    }));
    const ops = [put(MAILBOX, mailbox), ...marks.map((mark) => put(SEEN + mark.id, mark))];
    const applied = (): void => {
      for (const mark of marks) this.#marks.set(mark.id, mark);
      this.#mailbox = mailbox;
    };
    return { ops, applied };
  }

  /** Forgets what cannot come any more. */
  expire(now: number): Change {
    const old = [...this.#marks.values()].filter(({ until }) => until <= now);
    const applied = (): void => {
      for (const { id } of old) this.#marks.delete(id);
    };
    return { ops: old.map(({ id }): Op => ({ type: 'del', key: SEEN + id })), applied };
  }
}

function put(key: string, value: unknown): Op {
  return { type: 'put', key, value: Buffer.from(JSON.stringify(value)) };
}

function parse<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString()) as T;
}
