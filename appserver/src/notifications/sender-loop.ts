import { type Clock, type Logger, type Random, toBackhaulError } from '@backhaul/runtime';
import { fullJitter } from '@backhaul/transport';
import type { Database } from '../store/database.ts';
import type { Notification, NotificationSender } from './notification.ts';
import { dueDelivery, nextAttemptAt, type Settlement, settleDelivery } from './notification-store.ts';

const SHORTEST_MS = 1_000;
const BACKOFF = { baseMs: 5_000, capMs: 900_000 };
/** The longest wait between two attempts: what a receiver may ask for, see the webhook sender. */
const FURTHEST_MS = 3_600_000;
/** Whatever a sender's own timeouts say: an attempt is over by then. */
const ATTEMPT_LIMIT_MS = 120_000;
/** How long to wait when the store cannot be read or written. */
const STORE_PAUSE_MS = 5_000;
/** What a receiver says of itself is cut. */
const DETAIL_CHARACTERS = 300;

export interface SenderLoopOptions {
  readonly sender: NotificationSender;
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settled: (state: Settlement['state']) => void;
}

/**
 * Hands one sender what waits for it, one after the other, oldest first. Each sender has its own loop: one that hangs
 * delays nobody else. An attempt is recorded after it was made, so after a crash it is made again: at least once. One that
 * the store does not take now (a full disk) is kept and recorded before anything else is sent, not made again.
 */
export class SenderLoop {
  readonly #options: SenderLoopOptions;
  readonly #stop = new AbortController();
  /** Made, and not yet recorded. */
  #unsettled: { readonly id: string; readonly settlement: Settlement } | undefined;
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: SenderLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Something new may be waiting. */
  wake(): void {
    this.#wake.abort();
  }

  /** An attempt under way is given up; it is made again after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, sender } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const pauseMs = await this.#step().catch((error) => {
        logger.error({ error, sender: sender.name }, 'the notification outbox could not be read or written');
        return STORE_PAUSE_MS;
      });
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  /** One attempt. Returns how long there is nothing to do. */
  async #step(): Promise<number> {
    const { database, sender, clock } = this.#options;
    await this.#settle();
    const due = await dueDelivery(database, sender.name, clock.now(), FURTHEST_MS);
    if (due === undefined) {
      const nextAt = await nextAttemptAt(database, sender.name);
      return nextAt === undefined ? FURTHEST_MS : Math.min(FURTHEST_MS, Math.max(1, nextAt - clock.now()));
    }
    const settlement = await this.#attempt(due.notification, due.attempts + 1);
    if (settlement === undefined) return 0;
    this.#unsettled = { id: due.notification.id, settlement };
    await this.#settle();
    return 0;
  }

  async #settle(): Promise<void> {
    const { database, sender, clock, settled } = this.#options;
    if (this.#unsettled === undefined) return;
    const { id, settlement } = this.#unsettled;
    await database.transaction((tx) => settleDelivery(tx, id, sender.name, settlement, clock.now()));
    this.#unsettled = undefined;
    settled(settlement.state);
  }

  /** Undefined when it was cut off by a stop. */
  async #attempt(notification: Notification, attempt: number): Promise<Settlement | undefined> {
    const { sender, clock, random, logger } = this.#options;
    try {
      await this.#inTime((signal) => sender.send(notification, signal));
      return { state: 'sent' };
    } catch (thrown) {
      if (this.#stop.signal.aborted) return undefined;
      const error = toBackhaulError(thrown);
      const detail = (error.detail ?? error.sentence).slice(0, DETAIL_CHARACTERS);
      const { code } = error;
      logger.warn({ sender: sender.name, id: notification.id, attempt, code, detail }, 'a notification was not taken');
      if (!error.retryable) return { state: 'dead', code, detail };
      const waitMs = Math.max(SHORTEST_MS, error.retryAfterMs ?? 0, fullJitter(attempt, random, BACKOFF));
      return { state: 'waiting', nextAt: clock.now() + waitMs, code, detail };
    }
  }

  #inTime(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const limit = new AbortController();
    const timer = this.#options.clock.after(ATTEMPT_LIMIT_MS, () => {
      limit.abort();
      reject(new Error(`not done after ${ATTEMPT_LIMIT_MS} ms`));
    });
    const stopped = () => reject(new Error('stopped'));
    this.#stop.signal.addEventListener('abort', stopped, { once: true });
    const signal = AbortSignal.any([this.#stop.signal, limit.signal]);
    return Promise.race([work(signal), promise]).finally(() => {
      timer.cancel();
      this.#stop.signal.removeEventListener('abort', stopped);
    });
  }

  async #pause(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, AbortSignal.any([this.#stop.signal, this.#wake.signal]));
  }
}
