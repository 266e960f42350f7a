import { BackhaulError } from '@backhaul/runtime';
import { RELAYS_WAITING } from '@backhaul/transport';

/** However many customers there are, one may always have so much of the way upward. */
const LEAST_SHARE = 1 / 4;
const WAIT_MS = 1_000;

/**
 * Envelopes in pass-through custody that are under way upward at once, by customer: beside others nobody fills the line with them.
 * The only customer has no bound here; what may wait in all is the uplink's.
 */
export class RelayShares {
  readonly #customers: () => number;
  readonly #underWay = new Map<string, number>();

  constructor(customers: () => number) {
    this.#customers = customers;
  }

  /** Throws BH-E-BUSY for what is more than the share of this customer, before `send` is called. */
  async within<T>(customer: string, send: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(customer) ?? 0;
    if (before >= this.#share()) {
      throw new BackhaulError('BH-E-BUSY', { detail: `the share of customer ${customer}`, retryAfterMs: WAIT_MS });
    }
    this.#underWay.set(customer, before + 1);
    try {
      return await send();
    } finally {
      this.#leave(customer);
    }
  }

  #leave(customer: string): void {
    const left = (this.#underWay.get(customer) ?? 1) - 1;
    if (left > 0) this.#underWay.set(customer, left);
    else this.#underWay.delete(customer);
  }

  #share(): number {
    const customers = this.#customers();
    return customers <= 1
      ? Number.POSITIVE_INFINITY
      : Math.floor(RELAYS_WAITING * Math.max(LEAST_SHARE, 1 / customers));
  }
}
