import type { Component, Logger } from '@backhaul/runtime';
import type { Store } from '@backhaul/spool';

/** Exit code of a role whose store could not be opened again (EX_IOERR). */
const STORE_FAILED = 74;

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
    for (const part of this.#parts) await part.load();
    this.#store.onReopened(() => this.#reload());
    this.#store.onFailed((error) => {
      this.#logger.error(
        { error },
        'the store could not be opened again; the process ends, what was accepted is on disk',
      );
      process.exit(STORE_FAILED);
    });
  }

  async stop(): Promise<void> {}

  /** Parts of the spool package load themselves again; doing it twice is harmless. */
  async #reload(): Promise<void> {
    for (const part of this.#parts) await part.load();
  }
}
