import { type Header, readHeader } from '@backhaul/envelope';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import type { MailboxMessage, MailboxPage, MailboxReader } from '@backhaul/spool';
import type { Database, Transaction } from '../store/database.ts';

interface OwnerState {
  /** number given last */
  readonly last: number;
  readonly acknowledged: number;
  /** waiting now */
  readonly messages: number;
  readonly bytes: number;
}

const EMPTY: OwnerState = { last: 0, acknowledged: 0, messages: 0, bytes: 0 };

const PUT_MESSAGE =
  'INSERT INTO "mailboxMessages" ("id", "header", "body", "receivedAt", "expiresAt") VALUES (?, ?, ?, ?, ?)';
const PUT_ENTRY = 'INSERT INTO "mailboxEntries" ("owner", "number", "bytes", "messageId") VALUES (?, ?, ?, ?)';
const PUT_OWNER = `INSERT INTO "mailboxOwners" ("owner", "last", "acknowledged", "messages", "bytes") VALUES (?, ?, ?, ?, ?)
  ON CONFLICT ("owner") DO UPDATE SET "last" = excluded."last", "acknowledged" = excluded."acknowledged",
  "messages" = excluded."messages", "bytes" = excluded."bytes"`;
const OWNER = 'SELECT "last", "acknowledged", "messages", "bytes" FROM "mailboxOwners" WHERE "owner" = ?';
const DEPTH =
  'SELECT COUNT(*) AS "messages", COALESCE(SUM("bytes"), 0) AS "bytes" FROM "mailboxEntries" WHERE "owner" = ?';
const DROP_UNREFERENCED = `DELETE FROM "mailboxMessages" WHERE "id" = ? AND NOT EXISTS
  (SELECT 1 FROM "mailboxEntries" WHERE "messageId" = "mailboxMessages"."id")`;
const MOVE_TIMES = 'UPDATE "mailboxMessages" SET "receivedAt" = "receivedAt" + ?, "expiresAt" = "expiresAt" + ?';
const EXPIRED = `SELECT e."owner", e."messageId" AS "id" FROM "mailboxEntries" e JOIN "mailboxMessages" m ON m."id" = e."messageId"
  WHERE m."expiresAt" <= ? LIMIT 5000`;
const LAST_FIRST = `SELECT e."messageId" AS "id", m."header" FROM "mailboxEntries" e JOIN "mailboxMessages" m ON m."id" = e."messageId"
  WHERE e."owner" = ? AND e."number" > ? ORDER BY e."number" DESC LIMIT 1000`;
const OLDEST = `SELECT MIN(m."receivedAt") AS "at" FROM "mailboxEntries" e JOIN "mailboxMessages" m ON m."id" = e."messageId" WHERE e."owner" = ?`;
const PAGE = `SELECT e."number", e."bytes", m."id", m."header", m."body", m."receivedAt", m."expiresAt"
  FROM "mailboxEntries" e JOIN "mailboxMessages" m ON m."id" = e."messageId"
  WHERE e."owner" = ? AND e."number" > ? AND (m."expiresAt" IS NULL OR m."expiresAt" > ?) ORDER BY e."number" LIMIT ?`;

type PageRow = {
  number: number;
  bytes: number;
  id: string;
  header: Uint8Array;
  body: Uint8Array;
  receivedAt: number;
  expiresAt: number | null;
};

export interface MailboxQuota {
  /** of one owner */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

export interface SqlMailboxesOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** 16 hex digits, new with each store */
  readonly epoch: () => string;
  readonly quota: MailboxQuota;
}

/**
 * Back-channel queues of the direct children, in SQL. Invariants:
 * - B1 a message leaves a mailbox only by its owner's acknowledgement, its expiry or a revocation, never by being read; a
 *   membership, besides, by the newer one that takes its place
 * - S5 one copy of each message, held for as long as one entry refers to it
 * - numbers of an owner rise by one and are never given twice; `#owners` holds what is committed
 */
export class SqlMailboxes implements MailboxReader {
  readonly #options: SqlMailboxesOptions;
  readonly #owners = new Map<string, OwnerState>();
  /** highest number read by each owner; after a start, everything given before may have been */
  readonly #handedOut = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: SqlMailboxesOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    this.#owners.clear();
    const rows = await this.#options.database.reader.selectFrom('mailboxOwners').selectAll().execute();
    for (const { owner, ...state } of rows) {
      this.#owners.set(owner, state);
      this.#handedOut.set(owner, state.last);
    }
  }

  /** One copy, one entry per owner, in the caller's transaction. @throws BH-E-SPOOL-FULL past an owner's quota, unless told to */
  async put(
    tx: Transaction,
    owners: readonly string[],
    message: MailboxMessage,
    { pastQuota = false }: { pastQuota?: boolean } = {},
  ): Promise<void> {
    const bytes = message.header.byteLength + message.body.byteLength;
    await tx.run(PUT_MESSAGE, [
      [message.id, message.header, message.body, message.receivedAt, message.expiresAt ?? null],
    ]);
    for (const owner of owners) {
      const state = await stored(tx, owner);
      if (!pastQuota) this.#checkQuota(owner, state, bytes);
      const next = { ...state, last: state.last + 1, messages: state.messages + 1, bytes: state.bytes + bytes };
      await tx.run(PUT_ENTRY, [[owner, next.last, bytes, message.id]]);
      await this.#write(tx, owner, next);
    }
  }

  /** Takes a message out of every mailbox that still holds it; tells whose. */
  async revoke(tx: Transaction, messageId: string): Promise<readonly string[]> {
    const entries = await tx.all<{ owner: string }>('SELECT "owner" FROM "mailboxEntries" WHERE "messageId" = ?', [
      messageId,
    ]);
    await this.#drop(
      tx,
      entries.map(({ owner }) => ({ owner, id: messageId })),
    );
    return entries.map(({ owner }) => owner);
  }

  /** Takes a message out of the mailboxes from which it was never read; tells whose. What was read may have arrived. */
  async takeUnread(tx: Transaction, messageId: string): Promise<ReadonlySet<string>> {
    const entries = await tx.all<{ owner: string; number: number }>(
      'SELECT "owner", "number" FROM "mailboxEntries" WHERE "messageId" = ?',
      [messageId],
    );
    const unread = entries.filter(({ owner, number }) => number > (this.#handedOut.get(owner) ?? 0));
    await this.#drop(
      tx,
      unread.map(({ owner }) => ({ owner, id: messageId })),
    );
    return new Set(unread.map(({ owner }) => owner));
  }

  /**
   * Takes out what stands at the end of a mailbox, unread, up to the first that `isTaken` leaves; returns their headers, last
   * first. Of a mailbox that is full also what was read and is not acknowledged.
   */
  async takeFromEnd(tx: Transaction, owner: string, isTaken: (header: Header) => boolean): Promise<readonly Header[]> {
    const state = await stored(tx, owner);
    const after = this.#fits(state, 0) ? (this.#handedOut.get(owner) ?? 0) : state.acknowledged;
    const rows = await tx.all<{ id: string; header: Uint8Array }>(LAST_FIRST, [owner, after]);
    const taken: { readonly owner: string; readonly id: string; readonly header: Header }[] = [];
    for (const { id, header: bytes } of rows) {
      const header = readable(bytes);
      if (header === undefined || !isTaken(header)) break;
      taken.push({ owner, id, header });
    }
    if (taken.length > 0) await this.#drop(tx, taken);
    return taken.map(({ header }) => header);
  }

  /** Takes out what is past its time; tells what left without having been delivered. */
  async expire(tx: Transaction, now: number): Promise<readonly { owner: string; id: string }[]> {
    const entries = await tx.all<{ owner: string; id: string }>(EXPIRED, [now]);
    await this.#drop(tx, entries);
    return entries;
  }

  /** The wall clock was set: what waits keeps the time that it had left. */
  async moveTimes(tx: Transaction, ms: number): Promise<void> {
    await tx.run(MOVE_TIMES, [[ms, ms]]);
  }

  async acknowledge(owner: string, epoch: string, number: number): Promise<void> {
    if (epoch === '0' && number === 0) return;
    const state = this.#state(owner);
    if (epoch !== this.#options.epoch())
      throw new BackhaulError('BH-E-ACK', { detail: `epoch ${epoch}, ${this.#options.epoch()} here` });
    const handedOut = this.#handedOut.get(owner) ?? 0;
    if (number > handedOut)
      throw new BackhaulError('BH-E-ACK', { detail: `number ${number}, the last sent was ${handedOut}` });
    if (number <= state.acknowledged) return;
    await this.#options.database.transaction((tx) => this.#remove(tx, owner, number));
  }

  async read(owner: string, budget: { maxMessages: number; maxBytes: number }): Promise<MailboxPage> {
    const { acknowledged, messages } = this.#state(owner);
    const page = { epoch: this.#options.epoch(), through: acknowledged };
    if (messages === 0) return { ...page, messages: [] };
    const rows = await this.#page(owner, acknowledged, budget.maxMessages);
    const fitting = withinBytes(rows, budget.maxBytes);
    const through = fitting.at(-1)?.number ?? acknowledged;
    this.#handedOut.set(owner, Math.max(through, this.#handedOut.get(owner) ?? 0));
    return { ...page, through, messages: fitting.map(asMessage) };
  }

  wait(owner: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#state(owner).messages > 0) return Promise.resolve(true);
    if (signal.aborted || waitMs <= 0) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = this.#waiting.get(owner) ?? new Set();
    const wake = () => resolve(true);
    const abort = () => resolve(false);
    this.#waiting.set(owner, waiting.add(wake));
    const timer = this.#options.clock.after(waitMs, abort);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      waiting.delete(wake);
    });
  }

  async depth(owner: string): Promise<{ messages: number; bytes: number; oldestAt?: number }> {
    const { messages, bytes } = this.#state(owner);
    const [row] = await this.#options.database.read<{ at: number | null }>(OLDEST, [owner]);
    return { messages, bytes, ...(row?.at == null ? {} : { oldestAt: row.at }) };
  }

  /** What was acknowledged last, and the last number given. */
  numbers(owner: string): { acknowledged: number; last: number } {
    const { acknowledged, last } = this.#state(owner);
    return { acknowledged, last };
  }

  /** Ends the wait of the owner's polls; tells how many there were. */
  poke(owner: string): number {
    const waiting = [...(this.#waiting.get(owner) ?? [])];
    for (const wake of waiting) wake();
    return waiting.length;
  }

  /** Every mailbox that holds something. */
  depths(): { owner: string; messages: number; bytes: number }[] {
    return [...this.#owners]
      .map(([owner, { messages, bytes }]) => ({ owner, messages, bytes }))
      .filter(({ messages }) => messages > 0);
  }

  #state(owner: string): OwnerState {
    return this.#owners.get(owner) ?? EMPTY;
  }

  /** Would one more message of so many bytes be within the owner's quota? By what is committed. */
  hasRoom(owner: string, added: number): boolean {
    return this.#fits(this.#state(owner), added);
  }

  #fits({ messages, bytes }: OwnerState, added: number): boolean {
    const { maxMessages, maxBytes } = this.#options.quota;
    return messages < maxMessages && bytes + added <= maxBytes;
  }

  #checkQuota(owner: string, state: OwnerState, added: number): void {
    if (this.#fits(state, added)) return;
    throw new BackhaulError('BH-E-SPOOL-FULL', { detail: `mailbox of ${owner}`, retryAfterMs: 60_000 });
  }

  async #remove(tx: Transaction, owner: string, number: number): Promise<void> {
    const gone = await tx.all<{ messageId: string }>(
      'SELECT "messageId" FROM "mailboxEntries" WHERE "owner" = ? AND "number" <= ?',
      [owner, number],
    );
    await tx.run('DELETE FROM "mailboxEntries" WHERE "owner" = ? AND "number" <= ?', [[owner, number]]);
    await tx.run(
      DROP_UNREFERENCED,
      gone.map(({ messageId }) => [messageId]),
    );
    await this.#write(tx, owner, { ...(await stored(tx, owner)), ...(await counted(tx, owner)), acknowledged: number });
  }

  async #drop(tx: Transaction, entries: readonly { owner: string; id: string }[]): Promise<void> {
    await tx.run(
      'DELETE FROM "mailboxEntries" WHERE "owner" = ? AND "messageId" = ?',
      entries.map(({ owner, id }) => [owner, id]),
    );
    await tx.run(
      DROP_UNREFERENCED,
      [...new Set(entries.map(({ id }) => id))].map((id) => [id]),
    );
    for (const owner of new Set(entries.map((entry) => entry.owner))) {
      await this.#write(tx, owner, { ...(await stored(tx, owner)), ...(await counted(tx, owner)) });
    }
  }

  async #write(tx: Transaction, owner: string, state: OwnerState): Promise<void> {
    await tx.run(PUT_OWNER, [[owner, state.last, state.acknowledged, state.messages, state.bytes]]);
    tx.afterCommit(() => this.#publish(owner, state));
  }

  #publish(owner: string, state: OwnerState): void {
    this.#owners.set(owner, state);
    if (state.messages > 0) for (const wake of this.#waiting.get(owner) ?? []) wake();
  }

  async #page(owner: string, after: number, limit: number): Promise<PageRow[]> {
    const { database, clock } = this.#options;
    return database.read<PageRow>(PAGE, [owner, after, clock.now(), limit]);
  }
}

async function stored(tx: Transaction, owner: string): Promise<OwnerState> {
  const [row] = await tx.all<OwnerState>(OWNER, [owner]);
  return row ?? EMPTY;
}

async function counted(tx: Transaction, owner: string): Promise<{ messages: number; bytes: number }> {
  const [row] = await tx.all<{ messages: number; bytes: number }>(DEPTH, [owner]);
  return row!;
}

/** Undefined for what a damaged disk has left. */
function readable(header: Uint8Array): Header | undefined {
  try {
    return readHeader(header);
  } catch {
    return undefined;
  }
}

/** At least one, so that a message larger than the budget still gets through. */
function withinBytes(rows: readonly PageRow[], maxBytes: number): PageRow[] {
  let sum = 0;
  return rows.filter((row, index) => (sum += row.bytes) <= maxBytes || index === 0);
}

function asMessage({ number, id, header, body, receivedAt, expiresAt }: PageRow): MailboxPage['messages'][number] {
  return { number, id, header, body, receivedAt, ...(expiresAt === null ? {} : { expiresAt }) };
}
