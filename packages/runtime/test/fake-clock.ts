import type { Clock, Timer } from '@backhaul/runtime';

/** Time that moves when it is told to. */
export class FakeClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00Z');
  #timers: { at: number; action: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  get waiting(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer. */
  get next(): number | undefined {
    const times = this.#timers.map(({ at }) => at - this.#now);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  after(ms: number, action: () => void): Timer {
    const timer = { at: this.#now + ms, action };
    this.#timers.push(timer);
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = due.at;
      due.action();
    }
    this.#now = until;
  }
}
