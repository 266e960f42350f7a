import type { Verdict } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger, type Random, toBackhaulError } from '@backhaul/runtime';
import {
  type Change,
  type Claim,
  type ClaimBudget,
  commitChanges,
  LAST_STRICT_LANE,
  type Removed,
  type Settlement,
  type Spool,
  type Store,
} from '@backhaul/spool';
import type PQueue from 'p-queue';
import { fullJitter } from './backoff.ts';
import { type EnvelopeSender, wayOf } from './envelope-sender.ts';
import type { LineTurns } from './line-turns.ts';
import type { Pace } from './pace.ts';
import { concernsContent } from './parent-answer.ts';
import type { ParentConnection } from './parent-connection.ts';
import type { ParentSet } from './parent-set.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { settlementOf } from './verdict-settlement.ts';
import { Wakeup } from './wakeup.ts';

const NO_ROOM: ReadonlySet<string> = new Set(['BH-E-QUOTA', 'BH-E-SPOOL-FULL']);

export interface ForwarderOptions {
  readonly parents: ParentSet;
  readonly sender: EnvelopeSender;
  /** envelopes in flight: one window for all lanes, of which one place is for urgent ones only */
  readonly sends: PQueue;
  readonly pace: Pace;
  /** an artifact that comes down over the same line */
  readonly turns: LineTurns;
  /** our epoch was refused: another one of ours has taken over */
  readonly onFenced: (link: ParentConnection) => void;
  /** an exchange has ended */
  readonly onProgress: () => void;
  readonly store: Store;
  readonly spool: Spool;
  readonly onRemoved: (removed: readonly Removed[]) => Change;
  readonly window: number;
  readonly maxMessages: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: UplinkMetrics;
}

/**
 * While so many envelopes are under way, so little waits for them to be answered, and is one envelope then: many small ones would
 * cost more than what they carry. Urgent messages do not wait.
 */
const FEW = { envelopes: 2, messages: 64 } as const;
/** A spool that cannot be read now (it is being reopened) is asked again after this. */
const SPOOL_PAUSE_MS = 500;

/**
 * The forward channel: takes claims from the spool while the window has room, and ends each by what the parent said.
 * An entry leaves the spool by a verdict, never by having been sent [S2]; without an answer the claim is released.
 * No timer fills a batch: what is there is sent, and what arrives meanwhile is the next batch.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #wakeup = new Wakeup();
  readonly #sending = new Map<Claim, number>();
  /** envelopes at one time: one after an outage, doubled with each answer up to the window, so that a backlog does not flood */
  #room = 1;
  #maxMessages: number;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#maxMessages = options.maxMessages;
  }

  get inFlight(): number {
    return this.#options.sends.pending + this.#options.sends.size;
  }

  /** Monotonic ms at which the oldest claim was taken that is being sent or settled. */
  get oldestSend(): number | undefined {
    for (const begun of this.#sending.values()) return begun;
    return undefined;
  }

  /** The parent may be used now, or something else has changed. */
  wake(): void {
    this.#wakeup.wake();
  }

  /** Ends when the signal aborts; what is in flight then goes on (`settled`, `giveUp`). */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#step(signal);
      } catch (thrown) {
        this.#options.logger.warn({ error: thrown }, 'the spool gave nothing to send');
        await this.#options.clock.sleep(SPOOL_PAUSE_MS, signal);
      }
    }
  }

  /** Resolves when nothing is in flight. */
  settled(): Promise<void> {
    return this.#options.sends.onIdle();
  }

  /** Takes back what is in flight. */
  giveUp(): void {
    this.#options.sender.break();
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { parents, spool, store, clock, sends, pace } = this.#options;
    const pauseMs = parents.pauseMs();
    if (pauseMs > 0) return this.#pause(pauseMs, signal);
    if (store.state !== 'open') return clock.sleep(SPOOL_PAUSE_MS, signal); // no verdict could be stored
    const link = parents.current();
    if (parents.failing) this.#room = 1;
    const budget = link.greeted ? this.#budget(link) : undefined;
    if (!budget) return this.#wakeup.wait(signal);
    const claim = await spool.claim(budget);
    if (!claim) return this.#moreToSend(budget, signal);
    pace.took(claim);
    this.#sending.set(claim, clock.monotonic());
    void sends.add(() => this.#send(claim, link)).finally(() => this.#wakeup.wake());
  }

  /**
   * What the next envelope may hold: of every lane, of urgent ones only while the others have to wait, or nothing. Where a new
   * connection takes long, urgent ones wait for the urgent ones before them instead, and the others leave them the last free one.
   */
  #budget(link: ParentConnection): ClaimBudget | undefined {
    const { sender, pace, turns, window } = this.#options;
    const urgent = [...this.#sending.keys()].filter((claim) => wayOf([claim]) === 'urgent').length;
    const free = sender.connections(link) - this.inFlight;
    if (urgent > 0 && free <= 0) return undefined;
    const others = this.inFlight - urgent;
    const maxMessages = this.#maxMessages;
    const places = Math.min(this.#room, Math.max(1, window - 1));
    const isHeld =
      pace.waitMs() > 0 ||
      turns.isTaken ||
      others >= places ||
      (others > 0 && free <= 1) ||
      (others >= FEW.envelopes && this.#isLittle());
    const otherBytes = isHeld ? 0 : sender.budget('other');
    if (otherBytes > 0) return pace.bounded({ maxMessages, maxBytes: otherBytes });
    const urgentBytes = urgent >= this.#room || this.inFlight >= window ? 0 : sender.budget('urgent');
    return urgentBytes > 0 ? { maxMessages, maxBytes: urgentBytes, lastLane: LAST_STRICT_LANE } : undefined;
  }

  #isLittle(): boolean {
    return this.#options.spool.unsent() < Math.min(FEW.messages, this.#maxMessages);
  }

  /** Resolves when there may be something to send; while only urgent messages may go, also when the others may go again. */
  #moreToSend({ lastLane }: ClaimBudget, signal: AbortSignal): Promise<void> {
    const { spool, pace, clock } = this.#options;
    if (lastLane === undefined) return spool.ready(signal);
    const paced = pace.waitMs();
    return firstOf(signal, [
      (until) => spool.ready(until, lastLane),
      (until) => this.#wakeup.wait(until),
      ...(paced > 0 ? [(until: AbortSignal) => clock.sleep(paced, until)] : []),
    ]);
  }

  /** Another parent may be used before it is over: what has changed ends it. */
  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return firstOf(signal, [(until) => this.#options.clock.sleep(ms, until), (until) => this.#wakeup.wait(until)]);
  }

  async #send(claim: Claim, link: ParentConnection): Promise<void> {
    try {
      const verdicts = await this.#options.sender.send(claim, link);
      this.#maxMessages = Math.min(this.#options.maxMessages, this.#maxMessages * 2);
      this.#room = Math.min(this.#options.window, this.#room * 2);
      await this.#settle(claim, this.#settlements(verdicts));
      this.#noRoom(claim, verdicts);
      this.#epochRefused(verdicts, link);
    } catch (thrown) {
      const error = toBackhaulError(thrown);
      await this.#failed(claim, error);
      if (error.code === 'BH-E-EPOCH') this.#options.onFenced(link);
    } finally {
      this.#sending.delete(claim);
      this.#options.onProgress();
    }
  }

  /** Refused for want of room above: sending the rest of a backlog into the same refusal would only cost the line. */
  #noRoom({ lane }: Claim, verdicts: readonly Verdict[]): void {
    const { pace } = this.#options;
    if (!pace.paces(lane)) return;
    const waits = verdicts.flatMap(({ code, waitMs }) => (NO_ROOM.has(code ?? '') ? [waitMs ?? 0] : []));
    if (waits.length > 0) pace.hold(Math.max(...waits));
  }

  /** Our epoch is fenced: what the parent knows is asked for again, and a new one begins. */
  #epochRefused(verdicts: readonly Verdict[], link: ParentConnection): void {
    const { parents, onFenced } = this.#options;
    if (!verdicts.some(({ code }) => code === 'BH-E-EPOCH')) return;
    parents.failed(link, parents.attempt(), new BackhaulError('BH-E-EPOCH', { detail: link.parent.id }));
    onFenced(link);
  }

  #settlements(verdicts: readonly Verdict[]): Settlement[] {
    const now = this.#options.clock.now();
    const backoffMs = fullJitter(3, this.#options.random);
    return verdicts.map((verdict) => settlementOf(verdict, now, () => backoffMs));
  }

  /** What is done with and the receipts of what was refused for good: one commit. */
  async #settle(claim: Claim, settlements: readonly Settlement[]): Promise<void> {
    const { spool, store, onRemoved, clock, logger } = this.#options;
    this.#count(settlements);
    try {
      const { change, removed } = spool.settle(claim, settlements);
      for (const { entry, code, detail } of removed) {
        const { header: _, ...told } = entry;
        logger.warn({ ...told, code, detail }, 'a message was refused for good');
      }
      await commitChanges(store, removed.length > 0 ? [change, onRemoved(removed)] : [change]);
    } catch (error) {
      logger.error({ error }, 'what the parent said could not be stored; it is sent again after the store is open');
      spool.release(claim, clock.now() + SPOOL_PAUSE_MS); // of no effect when the store got it: then everything is loaded again
    }
  }

  #count(settlements: readonly Settlement[]): void {
    const counts = new Map<string, number>();
    for (const { outcome } of settlements) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    for (const [outcome, count] of counts) this.#options.metrics.messages.inc({ outcome }, count);
  }

  /** A refusal of the content is narrowed down to the one message; everything else waits for the link [DESIGN §4.2]. */
  async #failed(claim: Claim, error: BackhaulError): Promise<void> {
    const { spool, logger } = this.#options;
    if (!concernsContent(error)) {
      spool.release(claim);
    } else if (claim.entries.length === 1) {
      const detail = error.detail === undefined ? {} : { detail: error.detail };
      await this.#settle(claim, [{ outcome: 'refused', code: error.code, ...detail }]);
    } else {
      logger.warn(
        { code: error.code, messages: claim.entries.length },
        'an envelope was refused; fewer are sent in one',
      );
      this.#maxMessages = Math.ceil(claim.entries.length / 2);
      spool.release(claim);
    }
  }
}

/** Why a wait is over; an error made for each would cost more than the wait. */
const ENDED = 'ended';

/** Resolves with the first of these; the others are told to end. */
async function firstOf(signal: AbortSignal, waits: readonly ((until: AbortSignal) => Promise<void>)[]): Promise<void> {
  if (signal.aborted) return;
  const over = new AbortController();
  const end = (): void => over.abort(ENDED);
  signal.addEventListener('abort', end, { once: true });
  await Promise.race(waits.map((wait) => wait(over.signal)));
  signal.removeEventListener('abort', end);
  over.abort(ENDED);
}
