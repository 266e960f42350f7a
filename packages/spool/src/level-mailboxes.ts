import { BackhaulError, type Clock, type Random } from '@backhaul/runtime';
import { ByteCache } from './byte-cache.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { numberKey, parseJson, putJson } from './keys.ts';
import { loadMailboxes } from './mailbox-loader.ts';
import { decodeMailboxMessage, encodeMailboxMessage } from './mailbox-message.ts';
import { MailboxOwner, type Reference, type SharedMessage, sharedMessage, sizeOf } from './mailbox-owner.ts';
import { SpoolTime } from './spool-time.ts';
import { type Change, commitChanges, type Op, type Store, stagedChange } from './store.ts';
import type { LoadReport, Mailboxes, MailboxMessage, MailboxPage } from './types.ts';
import { Waiters } from './waiters.ts';

const CACHE_BYTES = 16 * 1024 * 1024;
const EXPIRE_MESSAGES = 1_000;
const FULL_WAIT_MS = 30_000;
/** Name of the one queue in which messages are numbered. */
const QUEUE = 'b';
/** What an owner says that has no mark yet: it gets everything. */
const NO_EPOCH = /^0*$/;

export interface LevelMailboxesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly prefix: string;
  /** per owner */
  readonly quotaBytes: number;
  readonly quotaMessages: number;
}

/**
 * Back-channel queues of the children over one store. Keys: `b/<number>` one copy of each message, `o/<owner>/<number>` references
 * to it, `m/<owner>` {last, count}, `e` the epoch of these mailboxes, `t` the time (spool-time.ts). Times inside are on the axis of
 * the mailboxes; at the door they are wall ms.
 *
 * mailbox.B1 a reference leaves by its owner's acknowledgement, its expiry or a revocation. spool.S5 the copy goes with the last
 * reference, in the same commit; who refers to it is counted at load, never stored.
 */
export class LevelMailboxes implements Mailboxes {
  readonly #options: LevelMailboxesOptions;
  readonly #store: Store;
  readonly #prefix: string;
  /** read, because each owner of a message reads it */
  readonly #cache = new ByteCache<MailboxMessage>(CACHE_BYTES);
  readonly #owners = new Map<string, MailboxOwner>();
  readonly #waiters = new Map<string, Waiters>();
  readonly #time: SpoolTime;
  #messages = new Map<string, SharedMessage[]>();
  #expiries = new ExpiryHeap<SharedMessage>();
  #next = 1;
  #epoch = '';
  #epochIsStored = false;
  #isListening = false;

  constructor(options: LevelMailboxesOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#prefix = `${options.prefix}/`;
    this.#time = new SpoolTime(options.clock);
  }

  /** 16 hex digits, made with the first load of a new store. */
  get epoch(): string {
    return this.#epoch;
  }

  async load(): Promise<LoadReport> {
    if (!this.#isListening) this.#store.onReopened(async () => void (await this.load()));
    this.#isListening = true;
    const known = this.#store.findings().length;
    this.#messages.clear();
    this.#owners.clear();
    this.#cache.clear();
    this.#expiries = new ExpiryHeap();
    const { messages, owners, next, gaps } = await loadMailboxes(this.#store, this.#prefix);
    this.#next = next;
    for (const owner of owners) this.#owners.set(owner.name, owner);
    this.#time.load(await this.#store.get(`${this.#prefix}t`), { [QUEUE]: next }, (first) => newestAt(messages, first));
    for (const message of messages) {
      shift(message, this.#time.shiftOf(QUEUE, message.number));
      this.#remember(message);
    }
    await this.#loadEpoch();
    const damaged = this.#store
      .findings()
      .slice(known)
      .map(({ detail }) => detail);
    for (const detail of gaps) this.#store.report({ code: 'BH-E-SPOOL-GAP', detail });
    for (const waiters of this.#waiters.values()) waiters.wake();
    return { records: messages.length, messages: messages.length, gaps, damaged };
  }

  stagePut(owners: readonly string[], message: MailboxMessage): Change {
    if (!this.#store.accepting) throw full('disk space is short');
    const bytes = sizeOf(message);
    for (const owner of owners) if (!this.hasRoom(owner, bytes)) throw full(`mailbox of ${owner}`);
    let shared: SharedMessage | undefined;
    const submit = (): Op[] => {
      const held = moved(message, this.#time.offset);
      const value = encodeMailboxMessage(held);
      const time = this.#time.markOps(`${this.#prefix}t`, () => ({ [QUEUE]: this.#firstNumber }));
      shared = this.#remember(sharedMessage(this.#next++, held, false));
      this.#cache.add(this.#messageKey(shared.number), decodeMailboxMessage(value), value.length);
      const references = [...new Set(owners)].flatMap((owner) => this.#owner(owner).addOps(shared!));
      return [
        ...time,
        ...this.#epochOps(),
        { type: 'put', key: this.#messageKey(shared.number), value },
        ...references,
      ];
    };
    return stagedChange(owners.length === 0 ? () => [] : submit, () => {
      if (shared !== undefined) shared.isWritten = true;
      for (const owner of owners) this.#waiters.get(owner)?.wake();
    });
  }

  /** False when a message of that size would pass the owner's quota. */
  hasRoom(owner: string, bytes: number): boolean {
    const held = this.#owners.get(owner);
    const { quotaBytes, quotaMessages } = this.#options;
    return (held?.messages ?? 0) + 1 <= quotaMessages && (held?.bytes ?? 0) + bytes <= quotaBytes;
  }

  stageRevoke(messageId: string): Change {
    return stagedChange(() => (this.#messages.get(messageId) ?? []).flatMap((shared) => this.#dropAll(shared)));
  }

  /** Owners in whose mailbox a message waits and has not been read. */
  unread(messageId: string): string[] {
    const copies = this.#messages.get(messageId) ?? [];
    return copies.flatMap(({ owners }) => [...owners].flatMap(([owner, at]) => (at > owner.sent ? [owner.name] : [])));
  }

  /** Takes a message from these owners alone. */
  stageRevokeFrom(owners: readonly string[], messageId: string): Change {
    const take = (name: string): Op[] => {
      const held = this.#owners.get(name);
      const copies = this.#messages.get(messageId) ?? [];
      return held === undefined
        ? []
        : this.#drop(
            held,
            copies.filter((shared) => shared.owners.has(held)),
          );
    };
    return stagedChange(() => owners.flatMap(take));
  }

  expire(now: number): { change: Change; removed: readonly { owner: string; id: string }[] } {
    const until = now + this.#time.offset;
    const expired: SharedMessage[] = [];
    const opened: SharedMessage[] = [];
    while (opened.length < EXPIRE_MESSAGES && (this.#expiries.peek()?.at ?? Number.POSITIVE_INFINITY) <= until) {
      const { value: shared } = this.#expiries.pop()!;
      if (shared.owners.size === 0) continue;
      opened.push(shared);
      if (!this.#time.isUncertain(QUEUE, shared.number)) expired.push(shared);
    }
    for (const shared of opened) this.#expiries.push(shared.expiresAt, shared);
    const removed = expired.flatMap(({ id, owners }) => [...owners.keys()].map((owner) => ({ owner: owner.name, id })));
    return { change: stagedChange(() => expired.flatMap((shared) => this.#dropAll(shared))), removed };
  }

  noteParentTime(parentNow: number): void {
    const correction = this.#time.hearParent(parentNow);
    if (correction === 0) return;
    const held = [...this.#messages.values()].flat();
    this.#expiries = new ExpiryHeap();
    for (const shared of held) {
      if (this.#time.isOfEarlierRun(QUEUE, shared.number)) shift(shared, correction);
      this.#noteExpiry(shared);
    }
    for (const waiters of this.#waiters.values()) waiters.wake();
  }

  /** Takes everything from one owner, who is no longer admitted; its numbers go on where they were. */
  stageClear(owner: string): { change: Change; removed: readonly { owner: string; id: string }[] } {
    const held = this.#owners.get(owner);
    const messages = [...(held?.references() ?? [])].map(({ message }) => message);
    const change = stagedChange(() => (held === undefined ? [] : this.#drop(held, messages)));
    return { change, removed: messages.map(({ id }) => ({ owner, id })) };
  }

  async acknowledge(owner: string, epoch: string, number: number): Promise<void> {
    if (number === 0 && NO_EPOCH.test(epoch)) return;
    const held = this.#owners.get(owner);
    if (epoch !== this.#epoch) throw new BackhaulError('BH-E-ACK', { detail: 'another mailbox epoch' });
    if (number > (held?.sent ?? 0)) throw new BackhaulError('BH-E-ACK', { detail: `number ${number} was never sent` });
    if (held === undefined) return;
    const done = [...held.references(number)].filter((reference) => !held.skipped.has(reference.number));
    await commitChanges(this.#store, [
      stagedChange(() =>
        this.#drop(
          held,
          done.map(({ message }) => message),
        ),
      ),
    ]);
  }

  async read(owner: string, budget: { maxMessages: number; maxBytes: number }): Promise<MailboxPage> {
    const held = this.#owners.get(owner);
    if (held === undefined) return { epoch: this.#epoch, through: 0, messages: [] };
    const messages: (MailboxMessage & { number: number })[] = [];
    for (const { number, message } of this.#page(held, budget)) {
      const found = await this.#readMessage(message);
      if (found === undefined)
        this.#store.report({ code: 'BH-E-SPOOL-GAP', detail: `message ${message.id} for ${owner} is missing` });
      else {
        const later = this.#time.shiftOf(QUEUE, message.number) - this.#time.offset;
        messages.push({ ...moved(found, later), number });
      }
    }
    const through = messages.at(-1)?.number ?? held.acknowledged;
    held.sent = Math.max(held.sent, through);
    return { epoch: this.#epoch, through, messages };
  }

  async wait(owner: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const until = clock.monotonic() + waitMs;
    while (!this.#holds(owner) && !signal.aborted && clock.monotonic() < until) {
      await this.#waitersOf(owner).wait(signal, until - clock.monotonic());
    }
    if (this.#waiters.get(owner)?.size === 0) this.#waiters.delete(owner);
    return this.#holds(owner);
  }

  depth(owner: string): { messages: number; bytes: number; oldestAt?: number } {
    const held = this.#owners.get(owner);
    if (held === undefined || held.messages === 0) return { messages: 0, bytes: 0 };
    const { oldestAt, messages, bytes } = held;
    return { messages, bytes, ...(oldestAt === undefined ? {} : { oldestAt: oldestAt - this.#time.offset }) };
  }

  async #readMessage({ number, owners }: SharedMessage): Promise<MailboxMessage | undefined> {
    const key = this.#messageKey(number);
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const value = await this.#store.get(key);
    if (value === undefined) return undefined;
    const message = decodeMailboxMessage(value);
    if (owners.size > 0) this.#cache.add(key, message, value.length); // it may have left while it was read
    return message;
  }

  /** What is past its time is left for `expire`, which tells its outcome. */
  #page(held: MailboxOwner, budget: { maxMessages: number; maxBytes: number }): Reference[] {
    const now = this.#time.now();
    const page: Reference[] = [];
    let bytes = 0;
    for (const reference of held.references()) {
      if (!reference.message.isWritten || page.length >= budget.maxMessages) break;
      if (reference.message.expiresAt <= now) {
        held.skipped.add(reference.number);
        continue;
      }
      bytes += reference.message.bytes;
      if (page.length > 0 && bytes > budget.maxBytes) break;
      page.push(reference);
    }
    return page;
  }

  #holds(owner: string): boolean {
    const held = this.#owners.get(owner);
    return held !== undefined && this.#page(held, { maxMessages: 1, maxBytes: 1 }).length > 0;
  }

  #remember(shared: SharedMessage): SharedMessage {
    this.#messages.set(shared.id, [...(this.#messages.get(shared.id) ?? []), shared]);
    this.#noteExpiry(shared);
    return shared;
  }

  #noteExpiry(shared: SharedMessage): void {
    if (shared.expiresAt !== Number.POSITIVE_INFINITY) this.#expiries.push(shared.expiresAt, shared);
  }

  /** Number of the oldest message that somebody still refers to. */
  get #firstNumber(): number {
    for (const [first] of this.#messages.values()) return first?.number ?? this.#next;
    return this.#next;
  }

  #drop(owner: MailboxOwner, messages: readonly SharedMessage[]): Op[] {
    const ops = owner.removeOps(messages);
    return [...ops, ...messages.filter(({ owners }) => owners.size === 0).map((shared) => this.#forget(shared))];
  }

  #dropAll(shared: SharedMessage): Op[] {
    if (shared.owners.size === 0) return [];
    return [...[...shared.owners.keys()].flatMap((owner) => owner.removeOps([shared])), this.#forget(shared)];
  }

  #forget(shared: SharedMessage): Op {
    const rest = (this.#messages.get(shared.id) ?? []).filter((other) => other !== shared);
    if (rest.length > 0) this.#messages.set(shared.id, rest);
    else this.#messages.delete(shared.id);
    this.#cache.delete(this.#messageKey(shared.number));
    return { type: 'del', key: this.#messageKey(shared.number) };
  }

  async #loadEpoch(): Promise<void> {
    const stored = await this.#store.get(`${this.#prefix}e`);
    this.#epochIsStored = stored !== undefined;
    this.#epoch = stored === undefined ? this.#options.random.bytes(8).toString('hex') : parseJson<string>(stored);
  }

  #epochOps(): Op[] {
    if (this.#epochIsStored) return [];
    this.#epochIsStored = true;
    return [putJson(`${this.#prefix}e`, this.#epoch)];
  }

  #owner(name: string): MailboxOwner {
    let owner = this.#owners.get(name);
    if (owner === undefined) this.#owners.set(name, (owner = new MailboxOwner(this.#prefix, name)));
    return owner;
  }

  #waitersOf(owner: string): Waiters {
    let waiters = this.#waiters.get(owner);
    if (waiters === undefined) this.#waiters.set(owner, (waiters = new Waiters(this.#options.clock)));
    return waiters;
  }

  #messageKey(number: number): string {
    return `${this.#prefix}b/${numberKey(number)}`;
  }
}

function full(detail: string): BackhaulError {
  return new BackhaulError('BH-E-SPOOL-FULL', { detail, retryAfterMs: FULL_WAIT_MS });
}

/** Received and expiring so much later. */
function moved(message: MailboxMessage, ms: number): MailboxMessage {
  if (ms === 0) return message;
  const expiry = message.expiresAt === undefined ? {} : { expiresAt: message.expiresAt + ms };
  return { ...message, receivedAt: message.receivedAt + ms, ...expiry };
}

function shift(shared: SharedMessage, ms: number): void {
  shared.receivedAt += ms;
  shared.expiresAt += ms;
}

/** When the newest of the messages from a number on was received; minus infinity when there is none. */
function newestAt(messages: readonly SharedMessage[], first: Readonly<Record<string, number>>): number {
  const recent = messages.filter(({ number }) => number >= (first[QUEUE] ?? 1));
  return recent.reduce((newest, { receivedAt }) => Math.max(newest, receivedAt), Number.NEGATIVE_INFINITY);
}
