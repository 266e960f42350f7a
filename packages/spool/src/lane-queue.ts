import { BackhaulError, type Clock } from '@backhaul/runtime';
import { ByteCache } from './byte-cache.ts';
import { DeadLetters } from './dead-letters.ts';
import { depart } from './departure.ts';
import { chooseVictims, leastRank, type Slot } from './eviction.ts';
import { expiredSlots } from './expiry.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { loadLane } from './lane-loader.ts';
import { LaneState } from './lane-state.ts';
import { type Placed, place } from './placement.ts';
import { entryBytes } from './record.ts';
import { RecordReader } from './record-reader.ts';
import { type Change, type Op, type Store, stagedChange } from './store.ts';
import { takeSlots } from './take-slots.ts';
import type {
  Claim,
  DeadLetter,
  LoadReport,
  Removed,
  Settlement,
  Spool,
  SpoolDepth,
  SpoolEntry,
  StagedEntries,
} from './types.ts';
import { Waiters } from './waiters.ts';

const LANES = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
/** Bytes of records kept in memory, whatever the backlog. */
const CACHE_BYTES = 16 * 1024 * 1024;
/** What one call of `expire` removes, about: it reads the records while everything else waits. */
const EXPIRE_MESSAGES = 1_000;
/** Receipts may pass the limits by this part of them, so that an account can always be given. */
const RECEIPT_SHARE = 1 / 16;
const FULL_WAIT_MS = 5_000;
/** `ready` looks again after this long, so that a jump of the wall clock cannot hold up a retry for longer. */
const LONGEST_WAIT_MS = 60_000;

const NOTHING: Change = { ops: [], applied: () => {} };

export interface LaneQueueOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly prefix: string;
  readonly maxBytes: number;
  readonly maxMessages: number;
}

/**
 * The durable queue towards the parent, over one store. Keys: `r/<lane>/<number>` records, `b/<lane>/<number>` what has left of
 * a record, `m/<lane>` {head, next}, `d/<number>` dead letters.
 *
 * spool.S2 an entry leaves by settlement, expiry or eviction only; every one but `accepted` is returned for its receipt.
 * spool.S3 claims follow lane, then place. spool.S4 claims are memory only: after a crash everything alive is claimable.
 * spool.S6 the limits hold for what is submitted; a refusal writes nothing. spool.S7 a gap is reported.
 */
export class LaneQueue implements Spool {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #limits: { readonly messages: number; readonly bytes: number };
  readonly #cache = new ByteCache(CACHE_BYTES);
  readonly #reader: RecordReader;
  readonly #deadLetters: DeadLetters;
  readonly #waiters: Waiters;
  readonly #claims = new Map<Claim, readonly Slot[]>();
  #lanes: LaneState[] = [];
  /** what is submitted, on disk yet or not */
  #used = { messages: 0, bytes: 0 };
  #retries = new ExpiryHeap<undefined>();
  #claiming: Promise<unknown> = Promise.resolve();
  /** counts loads: what was begun before one is void after it */
  #generation = 0;

  constructor(options: LaneQueueOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#prefix = `${options.prefix}/`;
    this.#limits = { messages: options.maxMessages, bytes: options.maxBytes };
    this.#reader = new RecordReader(options.store, this.#cache);
    this.#deadLetters = new DeadLetters(options.store, `${this.#prefix}d/`);
    this.#waiters = new Waiters(options.clock);
  }

  async load(): Promise<LoadReport> {
    if (this.#generation === 0) this.#store.onReopened(async () => void (await this.load()));
    this.#generation += 1;
    this.#claims.clear();
    this.#cache.clear();
    this.#retries = new ExpiryHeap();
    const known = this.#store.findings().length;
    const lanes = LANES.map((lane) => new LaneState(this.#prefix, lane));
    const report = { records: 0, messages: 0, gaps: [] as string[] };
    for (const lane of lanes) await loadLane(this.#store, lane, report);
    await this.#deadLetters.load();
    this.#lanes = lanes;
    this.#used = { messages: report.messages, bytes: lanes.reduce((sum, lane) => sum + lane.bytes, 0) };
    const damaged = this.#store
      .findings()
      .slice(known)
      .map(({ detail }) => detail);
    for (const key of report.gaps) this.#store.report({ code: 'BH-E-SPOOL-GAP', detail: `${key} is missing` });
    this.#waiters.wake();
    return { ...report, damaged };
  }

  stage(entries: readonly SpoolEntry[], options: { receipts?: boolean } = {}): StagedEntries {
    if (!this.#store.accepting) throw full('disk space is short');
    for (const { lane } of entries) if (this.#lanes[lane] === undefined) throw internal(`there is no lane ${lane}`);
    const victims = this.#makeRoom(entries, options.receipts === true);
    const leaving = this.#depart(victims, false);
    let placed: Placed[] = [];
    const submit = (): Op[] => {
      const before = leaving.ops;
      for (const entry of entries) this.#use(entry, 1);
      placed = place(this.#lanes, entries, this.#cache);
      return [...before, ...placed.flatMap(({ ops }) => ops)];
    };
    const change = stagedChange(submit, () => {
      leaving.applied();
      for (const { lane, record } of placed) lane.show(record);
      this.#waiters.wake();
    });
    return Object.assign(change, { removed: victims.map((slot) => removal(slot, 'evicted')) });
  }

  /** One at a time inside: each takes what the one before it left. */
  claim(budget: { maxMessages: number; maxBytes: number }): Promise<Claim | undefined> {
    const next = this.#claiming.then(() => this.#claimNext(budget));
    this.#claiming = next.catch(() => undefined);
    return next;
  }

  settle(claim: Claim, settlements: readonly Settlement[]): { change: Change; removed: readonly Removed[] } {
    const slots = this.#claims.get(claim);
    if (slots === undefined) return { change: NOTHING, removed: [] }; // the store was reopened meanwhile: it will be sent again
    if (settlements.length !== slots.length) throw internal('one settlement per entry');
    this.#claims.delete(claim);
    const told = slots.map((slot, index) => ({ slot, settlement: settlements[index]! }));
    const leaving = this.#depart(
      told.filter(({ settlement }) => settlement.outcome !== 'retry').map(({ slot }) => slot),
      true,
    );
    const refused = told.flatMap(({ slot, settlement }) =>
      settlement.outcome === 'refused' ? [{ slot, ...settlement }] : [],
    );
    const submit = (): Op[] => {
      const at = this.#clock.now();
      return [...leaving.ops, ...refused.flatMap((r) => this.#deadLetters.addOps(r.slot.entry, r.code, r.detail, at))];
    };
    const change = stagedChange(submit, () => {
      leaving.applied();
      for (const { slot, settlement } of told)
        if (settlement.outcome === 'retry') this.#free(slot, settlement.notBefore);
      this.#waiters.wake();
    });
    return { change, removed: refused.map(({ slot, code, detail }) => removal(slot, 'dead-letter', code, detail)) };
  }

  release(claim: Claim, notBefore?: number): void {
    for (const slot of this.#claims.get(claim) ?? []) this.#free(slot, notBefore);
    this.#claims.delete(claim);
    this.#waiters.wake();
  }

  expire(now: number): { change: Change; removed: readonly Removed[] } {
    const slots: Slot[] = [];
    for (const lane of this.#lanes) {
      slots.push(
        ...expiredSlots(lane, now, EXPIRE_MESSAGES - slots.length, (record) => this.#reader.readSync(lane, record)),
      );
    }
    return {
      change: this.#depart(slots, false),
      removed: slots.map((slot) => removal(slot, 'expired')),
    };
  }

  depth(): SpoolDepth {
    const now = this.#clock.now();
    const sum = (pick: (lane: LaneState) => number): number =>
      this.#lanes.reduce((total, lane) => total + pick(lane), 0);
    const oldest = Math.min(...this.#lanes.map((lane) => lane.oldestAt()));
    const retryAt = this.#isClaimable(now) ? undefined : this.#nextRetryAt(now);
    const held = this.#lanes.filter((lane) => lane.messages > 0);
    return {
      messages: sum((lane) => lane.messages),
      bytes: sum((lane) => lane.bytes),
      inFlight: sum((lane) => lane.inFlight),
      ...(oldest === Number.POSITIVE_INFINITY ? {} : { oldestAt: oldest }),
      ...(retryAt === undefined ? {} : { nextRetryAt: retryAt }),
      byLane: Object.fromEntries(held.map(({ lane, messages, bytes }) => [lane, { messages, bytes }])),
      deadLetters: this.#deadLetters.count,
      deadLettersDiscarded: this.#deadLetters.discarded,
    };
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = this.#clock.now();
      if (this.#isClaimable(now)) return;
      const retryAt = this.#nextRetryAt(now);
      await this.#waiters.wait(signal, Math.min((retryAt ?? Number.POSITIVE_INFINITY) - now, LONGEST_WAIT_MS));
    }
  }

  /** Oldest first; `after` is a dead letter's number, exclusive. */
  deadLetters(options?: { after?: number; limit?: number }): Promise<DeadLetter[]> {
    return this.#deadLetters.list(options);
  }

  deadLetter(number: number): Promise<DeadLetter | undefined> {
    return this.#deadLetters.read(number);
  }

  /** For what is given up before it was spooled: a message that a module or the store refuses again and again. */
  addDeadLetter(entry: SpoolEntry, code: string, detail?: string): Change {
    return stagedChange(() => this.#deadLetters.addOps(entry, code, detail, this.#clock.now()));
  }

  removeDeadLetter(number: number): Change {
    return stagedChange(() => this.#deadLetters.removeOps(number));
  }

  #makeRoom(entries: readonly SpoolEntry[], receipts: boolean): readonly Slot[] {
    const allowance = receipts ? 1 + RECEIPT_SHARE : 1;
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    const need = {
      messages: this.#used.messages + entries.length - this.#limits.messages * allowance,
      bytes: this.#used.bytes + bytes - this.#limits.bytes * allowance,
    };
    if (need.messages <= 0 && need.bytes <= 0) return [];
    const victims = chooseVictims(this.#lanes, leastRank(entries), need, (record, lane) =>
      this.#reader.readSync(lane, record),
    );
    if (victims === undefined) throw full('everything that is held ranks as high');
    return victims;
  }

  #depart(slots: readonly Slot[], fromFlight: boolean): Change {
    return depart(slots, fromFlight, this.#cache, (entry) => this.#use(entry, -1));
  }

  #use(entry: SpoolEntry, count: 1 | -1): void {
    this.#used.messages += count;
    this.#used.bytes += count * entryBytes(entry);
  }

  async #claimNext(budget: { maxMessages: number; maxBytes: number }): Promise<Claim | undefined> {
    const generation = this.#generation;
    for (const lane of this.#lanes) {
      const slots = await takeSlots(lane, budget, this.#clock.now(), (record) => this.#reader.read(lane, record));
      if (generation !== this.#generation) return undefined;
      if (slots.length > 0) return this.#open(lane, slots);
    }
    return undefined;
  }

  #open(lane: LaneState, slots: readonly Slot[]): Claim {
    const entries = slots.map(({ entry }) => entry);
    const claim = { lane: lane.lane, entries, bytes: entries.reduce((sum, entry) => sum + entryBytes(entry), 0) };
    this.#claims.set(claim, slots);
    return claim;
  }

  #free({ lane, record, index }: Slot, notBefore?: number): void {
    record.setFree(index, notBefore);
    lane.inFlight -= 1;
    if (notBefore !== undefined) this.#retries.push(notBefore, undefined);
  }

  #isClaimable(now: number): boolean {
    return this.#lanes.some((lane) => lane.isClaimable(now));
  }

  #nextRetryAt(now: number): number | undefined {
    while ((this.#retries.peek()?.at ?? now + 1) <= now) this.#retries.pop();
    return this.#retries.peek()?.at;
  }
}

function removal({ entry }: Slot, reason: Removed['reason'], code?: string, detail?: string): Removed {
  const { id, source, epoch, lane, sequence, class: className, subclass, via, header } = entry;
  const from = via === undefined ? {} : { via };
  return {
    entry: { id, source, epoch, lane, sequence, class: className, subclass, header, ...from },
    reason,
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
  };
}

function internal(detail: string): BackhaulError {
  return new BackhaulError('BH-E-INTERNAL', { detail });
}

function full(detail: string): BackhaulError {
  return new BackhaulError('BH-E-SPOOL-FULL', { detail, retryAfterMs: FULL_WAIT_MS });
}
