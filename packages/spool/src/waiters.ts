import type { Clock } from '@backhaul/runtime';

/** Those who wait for something to change; woken all together. */
export class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  wake(): void {
    for (const resolve of [...this.#waiting]) resolve();
  }

  /** Resolves when woken, after `ms`, or when the signal aborts. Never rejects. */
  wait(signal: AbortSignal, ms: number): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      const timer = this.#clock.after(ms, done);
    });
  }
}
