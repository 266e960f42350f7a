import { BackhaulError, type Clock, type Logger, SparingLog } from '@backhaul/runtime';
import { ByteCache } from './byte-cache.ts';
import { DeadLetters } from './dead-letters.ts';
import { depart } from './departure.ts';
import { DrainOrder } from './drain-order.ts';
import type { LanePlace, Slot } from './eviction.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { holdingsOf } from './holdings.ts';
import { loadLane } from './lane-loader.ts';
import type { LaneState } from './lane-state.ts';
import { type CustomerLimits, makeRoom, refused, type SpoolLimits } from './make-room.ts';
import { type Placed, place } from './placement.ts';
import { entryBytes } from './record.ts';
import { RecordReader } from './record-reader.ts';
import { SpoolContents } from './spool-contents.ts';
import { SpoolTime } from './spool-time.ts';
import { type Change, type Op, type Store, stagedChange } from './store.ts';
import type { Stream } from './streams.ts';
import { newestOfEachKey } from './supersede-index.ts';
import { type Taking, takeSlots } from './take-slots.ts';
import type {
  Claim,
  ClaimBudget,
  DeadLetter,
  Holdings,
  Lane,
  LoadReport,
  Removed,
  Settlement,
  Spool,
  SpoolDepth,
  SpoolEntry,
  SpoolUnderWay,
  StagedEntries,
} from './types.ts';
import { UnderWaySince } from './under-way-since.ts';
import { Waiters } from './waiters.ts';

/** Bytes of records kept in memory, whatever the backlog. */
const CACHE_BYTES = 16 * 1024 * 1024;
/** What one call of `expire` takes out, about, and of how many records: it reads them while everything else waits. */
const EXPIRE = { messages: 1_000, records: 64 } as const;
/** `ready` looks again after this long. */
const LONGEST_WAIT_MS = 60_000;

const NOTHING: Change = { ops: [], applied: () => {} };

export interface LaneQueueOptions extends SpoolLimits {
  readonly store: Store;
  readonly clock: Clock;
  readonly prefix: string;
  /** for everything that comes through one direct child; no bound of its own when absent */
  readonly perChild?: SpoolLimits | undefined;
  /** for everything that comes through the children of one customer; no bound of its own when absent */
  readonly perCustomer?: CustomerLimits | undefined;
  /** for what must not pass unnoticed and is nobody's fault here */
  readonly logger?: Logger;
}

/**
 * The durable queue towards the parent, over one store. Keys: `r/<lane>/<number>` records, `b/<lane>/<number>` what has left of
 * a record, `m/<lane>` {head, next}, `d/<number>` dead letters, `n` the number of the next one, `t` the time (spool-time.ts). Times
 * inside are on the axis of the spool; at the door they are wall ms.
 *
 * spool.S2 an entry leaves by settlement, expiry, eviction or a newer one of its key only; every one but `accepted` is returned for
 * its receipt. spool.S3 claims follow lane (with ageing from lane 4 on), then place. spool.S4 claims are memory only: after a crash
 * everything alive is claimable; a claim ends when its settlement is submitted, not when it is staged, so that one that no commit
 * took can be released. spool.S6 the limits hold for what is submitted, for each child and in all; a refusal writes nothing.
 * spool.S7 a gap is reported.
 */
export class LaneQueue implements Spool {
  readonly #options: LaneQueueOptions;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #cache = new ByteCache(CACHE_BYTES);
  readonly #reader: RecordReader;
  readonly #deadLetters: DeadLetters;
  readonly #waiters: Waiters;
  readonly #time: SpoolTime;
  readonly #drain = new DrainOrder();
  readonly #claims = new Map<Claim, readonly Slot[]>();
  readonly #claimed = new UnderWaySince();
  readonly #submitted = new UnderWaySince();
  #contents: SpoolContents;
  #retries = new ExpiryHeap<undefined>();
  #claiming: Promise<unknown> = Promise.resolve();
  /** counts loads: what was begun before one is void after it */
  #generation = 0;

  constructor(options: LaneQueueOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#prefix = `${options.prefix}/`;
    this.#contents = new SpoolContents(this.#prefix);
    this.#reader = new RecordReader(options.store, this.#cache, (record, bytes) => this.#contents.lose(record, bytes));
    const log = options.logger && new SparingLog(options.logger, options.clock);
    this.#deadLetters = new DeadLetters(options.store, { letters: `${this.#prefix}d/`, next: `${this.#prefix}n` }, log);
    this.#waiters = new Waiters(options.clock);
    this.#time = new SpoolTime(options.clock);
  }

  async load(): Promise<LoadReport> {
    if (this.#generation === 0) this.#store.onReopened(async () => void (await this.load()));
    this.#voidClaims();
    this.#cache.clear();
    this.#retries = new ExpiryHeap();
    const known = this.#store.findings().length;
    const contents = new SpoolContents(this.#prefix);
    const report = { records: 0, messages: 0, gaps: [] as string[] };
    for (const lane of contents.lanes) await loadLane(this.#store, lane, contents, report);
    await this.#deadLetters.load();
    await this.#loadTime(contents.lanes);
    this.#voidClaims(); // those too that were made of the old contents meanwhile
    this.#contents = contents;
    const damaged = this.#store
      .findings()
      .slice(known)
      .map(({ detail }) => detail);
    for (const key of report.gaps) this.#store.report({ code: 'BH-E-SPOOL-GAP', detail: `${key} is missing` });
    this.#waiters.wake();
    return { ...report, damaged };
  }

  stage(given: readonly SpoolEntry[], options: { receipts?: boolean; inPlace?: boolean } = {}): StagedEntries {
    const isAccount = options.receipts === true || options.inPlace === true;
    if (!this.#store.accepting && !isAccount) throw refused('BH-E-SPOOL-FULL', 'disk space is short');
    const contents = this.#contents;
    for (const { lane } of given) if (contents.lanes[lane] === undefined) throw internal(`there is no lane ${lane}`);
    const { kept: entries, replaced } = newestOfEachKey(moved(given, this.#time.offset));
    const older = entries.flatMap((entry) => contents.superseded.replacedBy(entry));
    const { perChild, perCustomer } = this.#options;
    const room = { limits: this.#options, perChild, perCustomer, receipts: options.receipts === true };
    const superseded = this.#read(older);
    const evicted = options.inPlace ? [] : this.#read(makeRoom(contents, entries, older, room));
    const leaving = this.#depart([...superseded, ...evicted], false);
    let placed: Placed[] = [];
    const submit = (): Op[] => {
      const before = [...leaving.ops, ...this.#markOps()];
      if (contents.messages === 0) contents.streams.clear();
      placed = place(contents, entries, this.#cache);
      contents.enter(placed);
      return [...before, ...placed.flatMap(({ ops }) => ops)];
    };
    const change = this.#watched(submit, () => {
      leaving.applied();
      for (const { lane, record } of placed) lane.show(record);
      this.#waiters.wake();
    });
    const removed = [
      ...replaced.map((entry) => removal({ entry }, 'superseded')),
      ...superseded.map((slot) => removal(slot, 'superseded')),
      ...evicted.map((slot) => removal(slot, 'evicted')),
    ];
    return Object.assign(change, { removed });
  }

  claim(budget: ClaimBudget): Promise<Claim | undefined> {
    return this.#inTurn(() => this.#claimNext(budget));
  }

  claimOf(
    isWanted: (of: Stream) => boolean,
    budget: { maxMessages: number; maxBytes: number },
  ): Promise<Claim | undefined> {
    return this.#inTurn(() => this.#claimFirst(isWanted, budget));
  }

  settle(claim: Claim, settlements: readonly Settlement[]): { change: Change; removed: readonly Removed[] } {
    const slots = this.#claims.get(claim);
    if (slots === undefined) return { change: NOTHING, removed: [] }; // the store was reopened meanwhile: it will be sent again
    if (settlements.length !== slots.length) throw internal('one settlement per entry');
    const told = slots.map((slot, index) => ({ slot, settlement: settlements[index]! }));
    const leaving = this.#depart(
      told.filter(({ settlement }) => settlement.outcome !== 'retry').map(({ slot }) => slot),
      true,
    );
    const final = told.flatMap(({ slot, settlement }) =>
      settlement.outcome === 'refused' ? [{ slot, ...settlement }] : [],
    );
    let isEnded = false;
    const submit = (): Op[] => {
      isEnded = this.#claims.delete(claim);
      if (!isEnded) return []; // released meanwhile, or the store was reopened
      const at = this.#clock.now();
      return [
        ...leaving.ops,
        ...this.#markOps(),
        ...final.flatMap((r) => this.#deadLetters.addOps(r.slot.entry, r.code, r.detail, at)),
      ];
    };
    const change = this.#watched(submit, () => {
      if (!isEnded) return;
      this.#claimed.end(claim);
      leaving.applied();
      for (const { slot, settlement } of told)
        if (settlement.outcome === 'retry') this.#free(slot, settlement.notBefore);
      this.#waiters.wake();
    });
    return { change, removed: final.map(({ slot, code, detail }) => removal(slot, 'dead-letter', code, detail)) };
  }

  release(claim: Claim, notBefore?: number): void {
    for (const slot of this.#claims.get(claim) ?? []) this.#free(slot, notBefore);
    if (this.#claims.delete(claim)) this.#claimed.end(claim); // not one that is being settled
    this.#waiters.wake();
  }

  expire(now: number): { change: Change; removed: readonly Removed[] } {
    const { offset } = this.#time;
    const places: LanePlace[] = [];
    for (const lane of this.#contents.lanes) {
      const isCertain = ({ number }: { number: number }): boolean => !this.#time.isUncertain(String(lane.lane), number);
      const limit = EXPIRE.messages - places.length;
      const found = lane.order.expired(now + offset, { limit, maxRecords: EXPIRE.records, isCertain });
      places.push(...found.map((place) => ({ lane, ...place })));
    }
    const slots = this.#read(places);
    const leaving = this.#depart(slots, false);
    const change = this.#watched(
      () => leaving.ops,
      () => leaving.applied(),
    );
    return { change, removed: slots.map((slot) => removal(slot, 'expired')) };
  }

  depth(): SpoolDepth {
    const { lanes } = this.#contents;
    const { offset } = this.#time;
    const now = this.#time.now();
    const sum = (pick: (lane: LaneState) => number): number => lanes.reduce((total, lane) => total + pick(lane), 0);
    const oldest = Math.min(...lanes.map((lane) => lane.oldestAt()));
    const retryAt = this.#isClaimable(now) ? undefined : this.#nextRetryAt(now);
    const held = lanes.filter((lane) => lane.messages > 0);
    return {
      messages: sum((lane) => lane.messages),
      bytes: sum((lane) => lane.bytes),
      inFlight: sum((lane) => lane.inFlight),
      ...(oldest === Number.POSITIVE_INFINITY ? {} : { oldestAt: oldest - offset }),
      ...(retryAt === undefined ? {} : { nextRetryAt: retryAt - offset }),
      byLane: Object.fromEntries(held.map(({ lane, messages, bytes }) => [lane, { messages, bytes }])),
      deadLetters: this.#deadLetters.count,
      deadLettersDiscarded: this.#deadLetters.discarded,
    };
  }

  unsent(): number {
    let unsent = 0;
    for (const { messages, inFlight } of this.#contents.lanes) unsent += messages - inFlight;
    return unsent;
  }

  underWay(): SpoolUnderWay {
    return { claimedSince: this.#claimed.oldest, unwrittenSince: this.#submitted.oldest };
  }

  usage(via: string): { messages: number; bytes: number } {
    return this.#contents.shares.usage(via);
  }

  replaceable(of: Pick<SpoolEntry, 'source' | 'lane' | 'supersedeKey'>): readonly number[] {
    const places = this.#contents.superseded.replacedBy(of);
    return places.map(({ record, index }) => record.columns.sequenceOf(record.first + index));
  }

  holdings(limit: number): Holdings {
    return holdingsOf(this.#contents.lanes, this.#contents.streams, limit);
  }

  noteParentTime(parentNow: number): void {
    const correction = this.#time.hearParent(parentNow);
    if (correction === 0) return;
    for (const lane of this.#contents.lanes) {
      lane.shiftTimes(({ number }) => (this.#time.isOfEarlierRun(String(lane.lane), number) ? correction : 0));
    }
    this.#waiters.wake();
  }

  async ready(signal: AbortSignal, lastLane?: Lane): Promise<void> {
    while (!signal.aborted) {
      const now = this.#time.now();
      if (this.#isClaimable(now, lastLane)) return;
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

  /** They speak of what memory knew before a load, as does what was submitted. */
  #voidClaims(): void {
    this.#generation += 1;
    this.#claims.clear();
    this.#claimed.clear();
    this.#submitted.clear();
  }

  /** Noted from its submission until it is on disk. */
  #watched(submit: () => readonly Op[], applied: () => void): Change {
    const change = stagedChange(
      () => {
        const ops = submit();
        if (ops.length > 0) this.#submitted.begin(change, this.#clock.monotonic());
        return ops;
      },
      () => {
        this.#submitted.end(change);
        applied();
      },
    );
    return change;
  }

  /** Of the records that are read; one that cannot be read any more has nothing to leave. */
  #read(places: readonly LanePlace[]): Slot[] {
    return [...Map.groupBy(places, ({ record }) => record)].flatMap(([record, ofRecord]) => {
      const entries = this.#reader.readSync(ofRecord[0]!.lane, record);
      return ofRecord.flatMap((place) => (entries.length === 0 ? [] : [{ ...place, entry: entries[place.index]! }]));
    });
  }

  #depart(slots: readonly Slot[], fromFlight: boolean): Change {
    return depart(slots, fromFlight, this.#cache, (slot) => this.#contents.leave(slot));
  }

  /** One claim at a time: each takes what the one before it left. */
  #inTurn(take: () => Promise<Claim | undefined>): Promise<Claim | undefined> {
    const next = this.#claiming.then(take);
    this.#claiming = next.catch(() => undefined);
    return next;
  }

  async #claimFirst(
    isWanted: (of: Stream) => boolean,
    budget: { maxMessages: number; maxBytes: number },
  ): Promise<Claim | undefined> {
    const { lanes, streams } = this.#contents;
    const wanted = streams.matching(isWanted);
    if (wanted.size === 0) return undefined;
    const now = this.#time.now();
    for (const lane of lanes) {
      const claim = await this.#take(lane, { budget, now, isWanted: (stream) => wanted.has(stream) });
      if (claim !== undefined) return claim;
    }
    return undefined;
  }

  async #claimNext(budget: ClaimBudget): Promise<Claim | undefined> {
    const now = this.#time.now();
    const { lanes } = this.#contents;
    const due = lanes.filter((lane) => lane.isClaimable(now)).map(({ lane }) => lane);
    for (const number of this.#drain.order(due)) {
      if (number > (budget.lastLane ?? number)) continue;
      const claim = await this.#take(lanes[number]!, { budget, now });
      if (claim === undefined) continue;
      this.#drain.served(number, due);
      return claim;
    }
    return undefined;
  }

  /** Nothing when everything was loaded again meanwhile. */
  async #take(lane: LaneState, how: Omit<Taking, 'read'>): Promise<Claim | undefined> {
    const generation = this.#generation;
    const slots = await takeSlots(lane, { ...how, read: (record) => this.#reader.read(lane, record) });
    return slots.length === 0 || generation !== this.#generation ? undefined : this.#open(lane, slots);
  }

  /** Times are given out as the wall clock says now. */
  #open(lane: LaneState, taken: readonly Slot[]): Claim {
    const { offset } = this.#time;
    const shiftOf = ({ record }: Slot): number => this.#time.shiftOf(String(lane.lane), record.number) - offset;
    const slots = taken.map((slot) => inWallTime(slot, shiftOf(slot)));
    const entries = slots.map(({ entry }) => entry);
    const claim = { lane: lane.lane, entries, bytes: entries.reduce((sum, entry) => sum + entryBytes(entry), 0) };
    this.#claims.set(claim, slots);
    this.#claimed.begin(claim, this.#clock.monotonic());
    return claim;
  }

  /** `notBefore`: wall ms. */
  #free({ lane, record, index }: Slot, notBefore?: number): void {
    const at = notBefore === undefined ? undefined : notBefore + this.#time.offset;
    record.setFree(index, at);
    lane.inFlight -= 1;
    if (at !== undefined) this.#retries.push(at, undefined);
  }

  /** The records of an earlier run get their times on the axis of this one. */
  async #loadTime(lanes: readonly LaneState[]): Promise<void> {
    const next = Object.fromEntries(lanes.map((lane) => [lane.lane, lane.next]));
    this.#time.load(await this.#store.get(`${this.#prefix}t`), next, (first) =>
      Math.max(...lanes.map((lane) => lane.newestAt(first[lane.lane] ?? 1))),
    );
    for (const lane of lanes) lane.shiftTimes(({ number }) => this.#time.shiftOf(String(lane.lane), number));
  }

  #markOps(): Op[] {
    const heads = () => Object.fromEntries(this.#contents.lanes.map((lane) => [lane.lane, lane.head]));
    return this.#time.markOps(`${this.#prefix}t`, heads);
  }

  #isClaimable(now: number, lastLane?: Lane): boolean {
    return this.#contents.lanes.some((lane) => lane.lane <= (lastLane ?? lane.lane) && lane.isClaimable(now));
  }

  #nextRetryAt(now: number): number | undefined {
    while ((this.#retries.peek()?.at ?? now + 1) <= now) this.#retries.pop();
    return this.#retries.peek()?.at;
  }
}

function inWallTime(slot: Slot, shift: number): Slot {
  return shift === 0 ? slot : { ...slot, entry: moved([slot.entry], shift)[0]! };
}

/** Received and expiring so much later. */
function moved(entries: readonly SpoolEntry[], ms: number): readonly SpoolEntry[] {
  if (ms === 0) return entries;
  return entries.map((entry) => {
    const expiry = entry.expiresAt === undefined ? {} : { expiresAt: entry.expiresAt + ms };
    return { ...entry, receivedAt: entry.receivedAt + ms, ...expiry };
  });
}

function removal(
  { entry }: { readonly entry: SpoolEntry },
  reason: Removed['reason'],
  code?: string,
  detail?: string,
): Removed {
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
