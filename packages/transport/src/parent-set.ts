import type { BackhaulError, Clock, ErrorCode, Logger, Random } from '@backhaul/runtime';
import { type Attempt, ParentChoice } from './parent-choice.ts';
import type { ParentConnection } from './parent-connection.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { Wakeup } from './wakeup.ts';

/** The parent is there and says "not now": no reason to go to another one. */
const BUSY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BH-E-BUSY',
  'BH-E-THROTTLE',
  'BH-E-LINK-ORDER',
  'BH-E-SEEN-BOUND',
  'BH-E-SPOOL-FULL',
  'BH-E-SPOOL-STOPPED',
  'BH-E-EPOCH',
  'BH-E-CLONE',
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

export interface ParentSetOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: UplinkMetrics;
  /** The exchange with a parent begins anew, with a hello: it failed, or another one is used now. */
  readonly onLost: () => void;
}

/** The parents in order, which of them is used now, and how it goes with it. */
export class ParentSet {
  readonly #links: readonly ParentConnection[];
  readonly #options: ParentSetOptions;
  readonly #choice: ParentChoice;
  readonly #moved = new Wakeup();
  #connected = false;
  #lastAnsweredAt: number | undefined;
  #lastError: LinkHealth['lastError'];

  constructor(links: readonly ParentConnection[], options: ParentSetOptions) {
    this.#links = links;
    this.#options = options;
    this.#choice = new ParentChoice(links.length, options.random);
  }

  current(): ParentConnection {
    return this.#links[this.#choice.current]!;
  }

  /** Those that come before the current one. */
  preferred(): readonly ParentConnection[] {
    return this.#links.slice(0, this.#choice.current);
  }

  get failing(): boolean {
    return this.#choice.failures > 0;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#choice.failures;
  }

  /** Something may be sent now, and the parent has been greeted. */
  get usable(): boolean {
    return this.pauseMs() === 0 && this.current().greeted;
  }

  attempt(): Attempt {
    return this.#choice.attempt();
  }

  /** Whole ms until something may be sent. */
  pauseMs(): number {
    return Math.ceil(this.#choice.pauseMs(this.#options.clock.monotonic()));
  }

  returnInMs(): number | undefined {
    return this.#choice.returnInMs(this.#options.clock.monotonic());
  }

  /** Resolves after another parent became current. */
  moved(signal: AbortSignal): Promise<void> {
    return this.#moved.wait(signal);
  }

  answered(link: ParentConnection): void {
    const { clock, logger } = this.#options;
    if (link !== this.current()) return;
    if (!this.#connected) logger.info({ parent: link.parent.id, url: link.parent.url }, 'the parent answers');
    this.#connected = true;
    this.#lastAnsweredAt = clock.now();
    this.#choice.answered(this.#links.indexOf(link), clock.monotonic());
  }

  /** Counts a failed exchange, once for all that were under way together; nothing is sent before `pauseMs()` is over. */
  failed(link: ParentConnection, attempt: Attempt, error: BackhaulError): void {
    const { clock, logger, metrics } = this.#options;
    metrics.failures.inc({ code: error.code });
    if (attempt !== this.#choice.attempt()) return;
    const { code, detail, retryAfterMs } = error;
    const wait = retryAfterMs === undefined ? {} : { waitMs: retryAfterMs };
    const failure = { ...wait, stay: BUSY.has(code), leave: code === 'BH-E-PARENT-SILENT' };
    const pauseMs = Math.ceil(this.#choice.failed(attempt, clock.monotonic(), failure));
    const fields = { parent: link.parent.id, url: link.parent.url, code, detail, pauseMs };
    if (!this.#isKnown(code)) logger.warn(fields, 'an exchange with the parent failed');
    else logger.debug(fields, 'an exchange with the parent failed again');
    this.#connected = BUSY.has(code);
    this.#lastError = { code, at: clock.now(), ...(detail === undefined ? {} : { detail }) };
    if (this.current() !== link) this.#move(link);
    else if (!BUSY.has(code)) this.#lost(link);
  }

  /** A preferred parent answers again: it is used from now on. */
  returned(link: ParentConnection): void {
    const before = this.current();
    this.#choice.returned(this.#links.indexOf(link), this.#options.clock.monotonic());
    this.#move(before);
  }

  /** None of the preferred parents answers. */
  stayed(): void {
    this.#choice.stayed(this.#options.clock.monotonic());
  }

  /** The next exchange with it is a hello. */
  greetAnew(link: ParentConnection): void {
    this.#lost(link);
  }

  #move(from: ParentConnection): void {
    const { parent } = this.current();
    this.#options.metrics.moves.inc();
    this.#options.logger.warn(
      { from: from.parent.id, parent: parent.id, url: parent.url },
      'another parent is used now',
    );
    this.current().greeted = false;
    this.#lost(from);
    this.#moved.wake();
  }

  #lost(link: ParentConnection): void {
    link.greeted = false;
    this.#options.onLost();
  }

  /** The same trouble going on: the log has it already. */
  #isKnown(code: ErrorCode): boolean {
    const last = this.#lastError;
    if (last?.code !== code) return false;
    return BUSY.has(code) ? this.#options.clock.now() - last.at < QUIET_MS : !this.#connected;
  }

  health(): LinkHealth {
    const pause = this.pauseMs();
    return {
      connected: this.#connected,
      ...(this.#lastAnsweredAt === undefined ? {} : { lastAnsweredAt: this.#lastAnsweredAt }),
      ...(pause > 0 ? { nextRetryAt: this.#options.clock.now() + pause } : {}),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
  }
}
