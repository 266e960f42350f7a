import { type Clock, type Component, isoTime, type Logger, type Metrics, Repeating } from '@backhaul/runtime';
import type { NoticeQueue } from './outbox/notice-queue.ts';

const LOOK_MS = 10_000;
/** No commit takes so long, nor does any answer of a parent that is waited for. */
const ACCEPT_MS = 60_000;

export interface ProgressWatchOptions {
  /** monotonic ms at which the oldest of what came in and is not answered yet was taken up */
  readonly oldestAccept: () => number | undefined;
  /** wall ms since when the sender makes no progress; it begins anew by itself */
  readonly senderStalledAt: () => number | undefined;
  /** wall ms since when what the parent sent is not taken */
  readonly receiveStalledAt: () => number | undefined;
  /** not waited for: the store may be what does not move */
  readonly notify: (...notice: Parameters<NoticeQueue['say']>) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Stall = 'accept' | 'sender' | 'receive';

/** Notices that a stage of this component makes no progress: in the log, the figures, /readyz, and upward once each time. */
export class ProgressWatch implements Component {
  readonly name = 'progress watch';
  readonly #options: ProgressWatchOptions;
  readonly #looks: Repeating;
  readonly #stalls;
  readonly #known = new Map<Stall, string>();

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
    this.#stalls = options.metrics.counter('stalls_total', 'times a part of this component made no progress', ['part']);
    this.#looks = new Repeating(options.clock, LOOK_MS, () => this.look());
  }

  async start(): Promise<void> {
    this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** What does not move, for people; undefined while all is well. */
  get trouble(): string | undefined {
    return this.#known.size === 0 ? undefined : [...this.#known.values()].join('; ');
  }

  async look(): Promise<void> {
    this.#see('accept', this.#acceptTrouble());
    this.#see('sender', this.#senderTrouble());
    this.#see('receive', this.#receiveTrouble());
  }

  #see(part: Stall, trouble: string | undefined): void {
    const { logger, notify } = this.#options;
    const known = this.#known.has(part);
    if (trouble === undefined) {
      if (this.#known.delete(part)) logger.info({ part }, 'it moves again');
      return;
    }
    this.#known.set(part, trouble);
    if (known) return;
    this.#stalls.inc({ part });
    logger.error({ part, trouble }, 'a part of this component makes no progress');
    notify('sender-stalled', { severity: 'major', text: trouble, data: { part } });
  }

  #acceptTrouble(): string | undefined {
    const { oldestAccept, clock } = this.#options;
    const begun = oldestAccept();
    const took = begun === undefined ? 0 : clock.monotonic() - begun;
    return took < ACCEPT_MS ? undefined : `what came in has not been answered for more than ${ACCEPT_MS / 1000} s`;
  }

  #senderTrouble(): string | undefined {
    const at = this.#options.senderStalledAt();
    return at === undefined ? undefined : `nothing is sent although it could be, since ${isoTime(at)}`;
  }

  #receiveTrouble(): string | undefined {
    const at = this.#options.receiveStalledAt();
    return at === undefined ? undefined : `what the parent sent is not taken, since ${isoTime(at)}`;
  }
}
