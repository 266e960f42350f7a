import type { Component, Logger } from '@backhaul/runtime';
import { endWithStore, type Store } from '@backhaul/spool';

interface Loadable {
  load(): Promise<unknown>;
}

/** Loads what the store holds into the parts that keep it in memory, at the start and after the store was reopened. */
export class ProxyState implements Component {
  readonly name = 'proxy-state';
  readonly #store: Store;
  readonly #parts: readonly Loadable[];
  readonly #logger: Logger;

  constructor(store: Store, parts: readonly Loadable[], logger: Logger) {
    this.#store = store;
    this.#parts = parts;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    await this.#load();
    this.#store.onReopened(() => this.#load());
    endWithStore(this.#store, this.#logger);
  }

  async stop(): Promise<void> {}

  /** Parts of the spool package load themselves again after a reopening; doing it twice is harmless. */
  async #load(): Promise<void> {
    for (const part of this.#parts) await part.load();
  }
}
