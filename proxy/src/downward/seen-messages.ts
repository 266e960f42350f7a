import type { Change, Op, Store } from '@backhaul/spool';

const SEEN = 'seen/';
const MARK = 'mailbox';
/** Ids remembered. A mailbox gives each message once unless it began anew, so this covers far more than it could repeat. */
const REMEMBERED = 20_000;

export interface MailboxMark {
  readonly epoch: string;
  readonly through: number;
}

/** What came down and was done: message ids and the place in the parent's mailbox, written in the commit of the effects [B3]. */
export class SeenMessages {
  readonly #store: Store;
  #ids = new Set<string>();
  #mark: MailboxMark = { epoch: '0', through: 0 };

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    const ids = new Set<string>();
    for await (const [key] of this.#store.scan(SEEN)) ids.add(key.slice(SEEN.length));
    const stored = await this.#store.get(MARK);
    this.#ids = ids;
    this.#mark =
      stored === undefined ? { epoch: '0', through: 0 } : (JSON.parse(Buffer.from(stored).toString()) as MailboxMark);
  }

  get mark(): MailboxMark {
    return this.#mark;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Ids begin with the time they were made, so the oldest are the first in order. */
  stage(ids: readonly string[], mark: MailboxMark): Change {
    const surplus = Math.max(0, this.#ids.size + ids.length - REMEMBERED);
    const forgotten = surplus === 0 ? [] : [...this.#ids].toSorted().slice(0, surplus);
    const ops: Op[] = [
      ...ids.map((id): Op => ({ type: 'put', key: `${SEEN}${id}`, value: Buffer.of(1) })),
      ...forgotten.map((id): Op => ({ type: 'del', key: `${SEEN}${id}` })),
      { type: 'put', key: MARK, value: Buffer.from(JSON.stringify(mark)) },
    ];
    return { ops, applied: () => this.#apply(ids, forgotten, mark) };
  }

  #apply(ids: readonly string[], forgotten: readonly string[], mark: MailboxMark): void {
    for (const id of ids) this.#ids.add(id);
    for (const id of forgotten) this.#ids.delete(id);
    this.#mark = mark;
  }
}
