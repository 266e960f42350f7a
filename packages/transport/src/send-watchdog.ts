import { BackhaulError, type Clock, type Logger, Repeating } from '@backhaul/runtime';
import type { Spool, Store } from '@backhaul/spool';
import type { ParentSet } from './parent-set.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';

const LOOK_MS = 10_000;
/** Longer than any single exchange may take without an answer. */
const STALLED_MS = 60_000;
/** Longer than any commit takes, and than a claim is held that is not being sent. */
const FORGOTTEN_MS = 60_000;

export interface SendWatchdogOptions {
  readonly store: Pick<Store, 'state' | 'reopen'>;
  readonly spool: Spool;
  /** monotonic ms at which the oldest claim was taken that is being sent or settled */
  readonly oldestSend: () => number | undefined;
  readonly parents: ParentSet;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: UplinkMetrics;
  /** ends what is under way, so that sending begins anew */
  readonly beginAnew: () => void;
}

/**
 * Notices a sender that makes no progress: messages may be sent, the parent is there and has asked for no pause, and yet no
 * exchange has ended for a minute. Nobody can know why; what is known is that beginning anew is harmless, since nothing leaves
 * the spool without a verdict [D2].
 *
 * And messages that somebody has forgotten, while others move: claimed and not being sent, or submitted to a commit of which nothing
 * was heard. Loading everything from disk brings them back, and is safe at any time.
 */
export class SendWatchdog {
  readonly #options: SendWatchdogOptions;
  readonly #looks: Repeating;
  #movedAt: number;
  #stalledAt: number | undefined;
  #stalls = 0;

  constructor(options: SendWatchdogOptions) {
    this.#options = options;
    this.#movedAt = options.clock.monotonic();
    this.#looks = new Repeating(options.clock, LOOK_MS, async () => this.look());
  }

  /** Times it had to act since the start. */
  get stalls(): number {
    return this.#stalls;
  }

  /** Wall ms since when nothing moves; undefined while all is well. */
  get stalledAt(): number | undefined {
    return this.#stalledAt;
  }

  start(): void {
    this.progress();
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** An exchange has ended, well or not. */
  progress(): void {
    this.#movedAt = this.#options.clock.monotonic();
    this.#stalledAt = undefined;
  }

  look(): void {
    this.#lookForForgotten();
    const { clock, logger, metrics, beginAnew } = this.#options;
    if (!this.#shouldMove()) this.progress();
    const silentMs = clock.monotonic() - this.#movedAt;
    if (silentMs < STALLED_MS) return;
    this.#stalledAt ??= clock.now() - silentMs;
    this.#stalls++;
    metrics.stalls.inc();
    logger.error({ silentMs, ...this.#options.spool.depth() }, 'the sender makes no progress; it begins anew');
    this.#movedAt = clock.monotonic();
    beginAnew();
  }

  #lookForForgotten(): void {
    const { store, spool, parents, logger, metrics } = this.#options;
    if (store.state !== 'open' || !parents.current().greeted) return;
    const forgotten = this.#forgotten();
    if (forgotten === undefined) return;
    metrics.forgotten.inc();
    logger.error({ forgotten, ...spool.depth() }, 'messages were forgotten in memory; everything is loaded again');
    store.reopen(new BackhaulError('BH-E-INTERNAL', { detail: forgotten }));
  }

  /** What was, for people. */
  #forgotten(): string | undefined {
    const { spool, oldestSend, clock } = this.#options;
    const now = clock.monotonic();
    const { claimedSince = now, unwrittenSince = now } = spool.underWay();
    if ((oldestSend() ?? now) - claimedSince > FORGOTTEN_MS) return 'a claim that nobody sends';
    return now - unwrittenSince > FORGOTTEN_MS ? 'a commit that does not end' : undefined;
  }

  #shouldMove(): boolean {
    const { spool, parents } = this.#options;
    const { messages, nextRetryAt } = spool.depth();
    return messages > 0 && nextRetryAt === undefined && parents.health().connected && parents.pauseMs() === 0;
  }
}
