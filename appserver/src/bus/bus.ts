import type { Logger } from '@backhaul/runtime';

/** What is published after a commit, for other programs and parts to act on. */
export interface BusEvent {
  /** `install.done`, `alarm.open`: dot-separated, first the noun */
  readonly topic: string;
  readonly at: number;
  readonly customer: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type BusListener = (event: BusEvent) => void;

/** The message bus; in this process now, NATS and AMQP behind the same interface later [DESIGN §8]. */
export interface Bus {
  publish(event: BusEvent): void;
  /** `pattern`: a topic, or its first part followed by `.*`, or `*`. Returns how to stop listening. */
  subscribe(pattern: string, listener: BusListener): () => void;
}

/** Delivers at once, in order, in this process. A listener that throws harms nobody else. */
export class InProcessBus implements Bus {
  readonly #logger: Logger;
  readonly #listeners = new Map<string, Set<BusListener>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  publish(event: BusEvent): void {
    const noun = event.topic.slice(0, event.topic.indexOf('.'));
    for (const pattern of ['*', `${noun}.*`, event.topic]) {
      for (const listener of this.#listeners.get(pattern) ?? []) this.#deliver(listener, event);
    }
  }

  subscribe(pattern: string, listener: BusListener): () => void {
    const listeners = this.#listeners.get(pattern) ?? new Set();
    this.#listeners.set(pattern, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  #deliver(listener: BusListener, event: BusEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#logger.error({ error, topic: event.topic }, 'a bus listener failed');
    }
  }
}
