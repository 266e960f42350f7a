import type { Clock, Component, Logger } from '@backhaul/runtime';
import { commitChanges, type Spool, type Store } from '@backhaul/spool';
import type { Draft, Outbox } from '@backhaul/transport';

/** How long a stop waits for the spool to become empty; what is left is sent after the next start. */
const DRAIN_MS = 3_000;
const LOOK_MS = 50;

export interface NoticesOptions {
  readonly self: string;
  readonly own: Outbox;
  readonly store: Store;
  readonly spool: Spool;
  readonly connected: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Says upward that the MLM has begun (`cold-start`) and that it ends on purpose (`shutdown`). */
export class Notices implements Component {
  readonly name = 'notices';
  readonly #options: NoticesOptions;
  #started = false;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#say('cold-start', 'the MLM has started');
    this.#started = true;
  }

  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    await this.#say('shutdown', 'the MLM stops on request');
    await this.#drain();
  }

  async #say(eventId: 'cold-start' | 'shutdown', text: string): Promise<void> {
    const { self, own, store, clock, logger } = this.#options;
    const notice: Draft = {
      lane: 4,
      classification: 'infrastructure-administration',
      class: 'infrastructure',
      subclass: 'notice',
      content: { type: 'event', eventId, severity: 'info', instance: self, occurredAt: clock.now(), text },
    };
    try {
      await commitChanges(store, own.stageAll([notice]));
    } catch (error) {
      logger.warn({ eventId, error }, 'a notice could not be stored');
    }
  }

  async #drain(): Promise<void> {
    const { spool, connected, clock } = this.#options;
    const until = clock.monotonic() + DRAIN_MS;
    while (connected() && spool.depth().messages > 0 && clock.monotonic() < until) await clock.sleep(LOOK_MS);
  }
}
