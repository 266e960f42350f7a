import type { Clock, Timer } from '@backhaul/runtime';

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** Time that only moves when told to. Wall time and monotonic time move together; `jump` moves the wall alone. */
export class FakeClock implements Clock {
  #elapsed = 0;
  #wall: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(wall = Date.UTC(2026, 10, 21)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, action: () => void): Timer {
    const alarm: Alarm = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, action };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.after(ms, done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /** Timers that have not yet run. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Ms until the next timer; undefined when there is none. */
  get nextIn(): number | undefined {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : next.at - this.#elapsed;
  }

  /** Runs what is due, in order of time; promises that those timers resolve run in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#elapsed = Math.max(this.#elapsed, next.at);
      this.#alarms.delete(next);
      next.action();
      await settle();
    }
    this.#elapsed = end;
    await settle();
  }

  /** The wall clock is set by somebody; timers and monotonic time do not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #next(until: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.at > until) continue;
      if (!first || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order)) first = alarm;
    }
    return first;
  }
}

/** Lets promises and what is ready on the event loop run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
