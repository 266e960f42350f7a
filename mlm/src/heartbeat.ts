import { type StatusNode, writeStatus } from '@backhaul/envelope';
import { type Clock, type Component, type Logger, Repeating } from '@backhaul/runtime';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Outbox } from '@backhaul/transport';

export interface HeartbeatOptions {
  readonly tree: () => StatusNode;
  readonly connected: () => boolean;
  readonly own: Outbox;
  readonly store: Store;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Says every so often that it is there, with the tree. While the parent does not answer none is made: a heartbeat speaks of
 * now, and a pile of old ones would only stand in the way of what has waited.
 */
export class Heartbeat implements Component {
  readonly name = 'heartbeat';
  readonly #options: HeartbeatOptions;
  readonly #beats: Repeating;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { clock, intervalMs, connected } = options;
    this.#beats = new Repeating(clock, intervalMs, async () => (connected() ? this.#beat() : undefined));
  }

  /** The first one goes at once, whatever the line. */
  async start(): Promise<void> {
    await this.#beat();
    this.#beats.start();
  }

  stop(): Promise<void> {
    return this.#beats.stop();
  }

  async #beat(): Promise<void> {
    const { own, store, tree, clock, logger } = this.#options;
    try {
      const content = writeStatus(clock.now(), tree());
      const draft = {
        lane: 4,
        classification: 'infrastructure-administration',
        class: 'infrastructure',
        subclass: 'heartbeat',
        content,
      } as const;
      await commitChanges(store, own.stageAll([draft]));
    } catch (error) {
      logger.warn({ error }, 'a heartbeat could not be stored');
    }
  }
}
