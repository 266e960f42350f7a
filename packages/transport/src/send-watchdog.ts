import { type Clock, type Logger, Repeating } from '@backhaul/runtime';
import type { Spool } from '@backhaul/spool';
import type { ParentSet } from './parent-set.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';

const LOOK_MS = 10_000;
/** Longer than any single exchange may take without an answer. */
const STALLED_MS = 60_000;

export interface SendWatchdogOptions {
  readonly spool: Spool;
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

  #shouldMove(): boolean {
    const { spool, parents } = this.#options;
    const { messages, nextRetryAt } = spool.depth();
    return messages > 0 && nextRetryAt === undefined && parents.health().connected && parents.pauseMs() === 0;
  }
}
