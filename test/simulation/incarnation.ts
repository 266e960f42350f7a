import type { Clock, Timer } from '@backhaul/runtime';
import type { Simulator } from './simulator.ts';

/** Wall time at the beginning of the world. */
export const WORLD_BEGAN = Date.UTC(2026, 10, 21);

/**
 * One life of one process: from its start to its crash or stop. Everything it waits for comes through here, so that a crash
 * ends it at once and for good: no timer, no disk, no network ever wakes a dead one.
 */
export class Incarnation {
  readonly node: string;
  readonly number: number;
  readonly clock: Clock;
  readonly #sim: Simulator;
  readonly #wall: () => number;
  readonly #bornAt: number;
  #alive = true;

  /** `wallOffset`: how far this machine's wall clock is off now, ms. */
  constructor(sim: Simulator, node: string, number: number, wallOffset: () => number) {
    this.node = node;
    this.number = number;
    this.#sim = sim;
    this.#bornAt = sim.now;
    this.#wall = wallOffset;
    this.clock = {
      now: () => WORLD_BEGAN + sim.now + this.#wall(),
      monotonic: () => sim.now - this.#bornAt,
      after: (ms, action) => this.after(ms, 'timer', action),
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  after(ms: number, label: string, action: () => void): Timer {
    return this.#sim.schedule(ms, `${this.node} ${label}`, () => {
      if (this.#alive) action();
    });
  }

  end(): void {
    this.#alive = false;
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.after(ms, 'sleep', done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
