import { steadyMs } from '../measure/steady-clock.ts';
import { type Done, numberOf, type Order } from './client-orders.ts';

/** Counts messages at the final consumer, each number once. */
export class Arrivals {
  #order: Order = { from: 0, count: 0 };
  #seen = new Uint8Array(0);
  #times: number[] = [];
  #left = 0;
  #startedAt = 0;
  #done: (done: Done) => void = () => {};

  /** Resolves when all of the order have arrived. */
  expect(order: Order): Promise<Done> {
    this.#order = order;
    this.#seen = new Uint8Array(order.count);
    this.#times = [];
    this.#left = order.count;
    this.#startedAt = steadyMs();
    return new Promise((resolve) => (this.#done = resolve));
  }

  arrived(message: Uint8Array): void {
    const index = numberOf(message) - this.#order.from;
    if (!(index >= 0 && index < this.#order.count) || this.#seen[index] === 1) return;
    this.#seen[index] = 1;
    if (this.#order.perSecond !== undefined) this.#times[index] = steadyMs();
    this.#left -= 1;
    if (this.#left === 0) this.#done({ startedAt: this.#startedAt, endedAt: steadyMs(), times: this.#times });
  }
}
