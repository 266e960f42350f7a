import { type EventContent, writeStatus } from '@backhaul/envelope';
import { type Clock, type Component, type Logger, Repeating, VERSION } from '@backhaul/runtime';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Draft, Outbox } from '@backhaul/transport';
import { ownMessage } from '../outbox/own-message.ts';
import { type StatusSources, statusTree } from './status-tree.ts';

/** A heartbeat is of no use when the tenth after it has been made. */
const LIFE_INTERVALS = 10;
/** How long a stop waits for the shutdown notice to be on its way. */
const FAREWELL_MS = 2_000;
const FAREWELL_LOOK_MS = 50;

export interface HeartbeatOptions {
  readonly sources: StatusSources;
  readonly outbox: Outbox;
  readonly store: Store;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the proxy says of itself: a notice at cold start and at shutdown, and its status tree in between. */
export class Heartbeat implements Component {
  readonly name = 'heartbeat';
  readonly #options: HeartbeatOptions;
  readonly #beats: Repeating;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#beats = new Repeating(options.clock, options.intervalMs, () => this.#say([this.#status()]));
  }

  async start(): Promise<void> {
    await this.#say([this.#notice('cold-start', `proxy ${VERSION} has started`), this.#status()]);
    this.#beats.start();
  }

  async stop(): Promise<void> {
    if (!this.#beats.running) return;
    await this.#beats.stop();
    await this.#say([this.#notice('shutdown', 'proxy is stopping')]);
    await this.#farewell();
  }

  /** Waits until everything is sent, for a moment: without a parent the notice goes up after the next start. */
  async #farewell(): Promise<void> {
    const { clock, sources } = this.#options;
    const until = clock.monotonic() + FAREWELL_MS;
    while (sources.uplink().connected && sources.depth().messages > 0 && clock.monotonic() < until)
      await clock.sleep(FAREWELL_LOOK_MS);
  }

  async #say(drafts: readonly Draft[]): Promise<void> {
    const { outbox, store, logger } = this.#options;
    try {
      await commitChanges(store, outbox.stage(drafts).changes);
    } catch (error) {
      logger.warn({ error }, 'a heartbeat or notice could not be kept');
    }
  }

  #status(): Draft {
    const { sources, clock, intervalMs } = this.#options;
    const now = clock.now();
    return ownMessage('infrastructure', 'heartbeat', writeStatus(now, statusTree(sources, now)), {
      expiresInMs: intervalMs * LIFE_INTERVALS,
      persistent: false,
    });
  }

  #notice(eventId: 'cold-start' | 'shutdown', text: string): Draft {
    const { sources, clock } = this.#options;
    const content: EventContent = {
      type: 'event',
      eventId,
      severity: 'info',
      instance: sources.self,
      occurredAt: clock.now(),
      text,
    };
    return ownMessage('infrastructure', 'notice', content);
  }
}
