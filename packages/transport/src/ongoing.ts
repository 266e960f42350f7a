import type { Clock } from '@backhaul/runtime';

/** What is under way at one place, and since when, so that what never ends is noticed. */
export class Ongoing {
  readonly #clock: Clock;
  readonly #begun = new Set<{ readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** monotonic ms at which the oldest began that has not ended */
  get oldest(): number | undefined {
    for (const { at } of this.#begun) return at; // in the order in which they began
    return undefined;
  }

  async during<T>(action: () => Promise<T>): Promise<T> {
    const begun = { at: this.#clock.monotonic() };
    this.#begun.add(begun);
    try {
      return await action();
    } finally {
      this.#begun.delete(begun);
    }
  }
}
