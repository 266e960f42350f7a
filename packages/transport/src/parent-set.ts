import type { BackhaulError, Clock, ErrorCode, Logger, Random } from '@backhaul/runtime';
import { type Attempt, ParentChoice } from './parent-choice.ts';
import type { ParentConnection } from './parent-connection.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';

/** The parent is there and says "not now": no reason to go to another one. */
const BUSY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BH-E-BUSY',
  'BH-E-THROTTLE',
  'BH-E-LINK-ORDER',
  'BH-E-SEEN-BOUND',
  'BH-E-SPOOL-FULL',
  'BH-E-SPOOL-STOPPED',
]);

/** A parent that says "not now" over and over is logged once; after so long without it, anew. */
const QUIET_MS = 60_000;

export interface LinkHealth {
  readonly connected: boolean;
  /** wall ms */
  readonly lastAnsweredAt?: number;
  /** wall ms; undefined when nothing waits */
  readonly nextRetryAt?: number;
  readonly lastError?: { readonly code: ErrorCode; readonly detail?: string; readonly at: number };
}

/** The parents in order, which of them is used now, and how it goes with it. */
export class ParentSet {
  readonly #links: readonly ParentConnection[];
  readonly #choice: ParentChoice;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: UplinkMetrics;
  #connected = false;
  #lastAnsweredAt: number | undefined;
  #lastError: LinkHealth['lastError'];

  constructor(
    links: readonly ParentConnection[],
    o: { clock: Clock; random: Random; logger: Logger; metrics: UplinkMetrics },
  ) {
    this.#links = links;
    this.#choice = new ParentChoice(links.length, o.random);
    this.#clock = o.clock;
    this.#logger = o.logger;
    this.#metrics = o.metrics;
  }

  current(): ParentConnection {
    return this.#links[this.#choice.current(this.#clock.now())]!;
  }

  get failing(): boolean {
    return this.#choice.failures > 0;
  }

  attempt(): Attempt {
    return this.#choice.attempt();
  }

  pauseMs(): number {
    return this.#choice.pauseMs(this.#clock.now());
  }

  answered(link: ParentConnection): void {
    if (!this.#connected) this.#logger.info({ parent: link.parent.id, url: link.parent.url }, 'the parent answers');
    this.#connected = true;
    this.#lastAnsweredAt = this.#clock.now();
    this.#choice.answered(this.#links.indexOf(link), this.#clock.now());
  }

  /** Counts a failed exchange, once for all that were under way together; nothing is sent before `pauseMs()` is over. */
  failed(link: ParentConnection, attempt: Attempt, error: BackhaulError): void {
    this.#metrics.failures.inc({ code: error.code });
    if (attempt !== this.#choice.attempt()) return;
    const { code, detail, retryAfterMs } = error;
    const wait = retryAfterMs === undefined ? {} : { waitMs: retryAfterMs };
    const pauseMs = this.#choice.failed(attempt, this.#clock.now(), { ...wait, stay: BUSY.has(code) });
    const fields = { parent: link.parent.id, url: link.parent.url, code, detail, pauseMs };
    if (!this.#isKnown(code)) this.#logger.warn(fields, 'an exchange with the parent failed');
    else this.#logger.debug(fields, 'an exchange with the parent failed again');
    this.#connected = BUSY.has(code);
    this.#lastError = { code, at: this.#clock.now(), ...(detail === undefined ? {} : { detail }) };
  }

  /** The same trouble going on: the log has it already. */
  #isKnown(code: ErrorCode): boolean {
    const last = this.#lastError;
    if (last?.code !== code) return false;
    return BUSY.has(code) ? this.#clock.now() - last.at < QUIET_MS : !this.#connected;
  }

  health(): LinkHealth {
    const pause = this.pauseMs();
    return {
      connected: this.#connected,
      ...(this.#lastAnsweredAt === undefined ? {} : { lastAnsweredAt: this.#lastAnsweredAt }),
      ...(pause > 0 ? { nextRetryAt: this.#clock.now() + pause } : {}),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
  }
}
