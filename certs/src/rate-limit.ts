import { BackhaulError, type Clock } from '@backhaul/runtime';

const MAX_ADDRESSES = 4096;

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** So many requests per second and address, with a burst. Remembers a bounded number of addresses, the latest ones. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(o: { perSecond: number; burst: number; clock: Clock }) {
    this.#perSecond = o.perSecond;
    this.#burst = o.burst;
    this.#clock = o.clock;
  }

  /** Throws BH-E-RATE with the wait when this address has used up its share. */
  take(address: string): void {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(address) ?? { tokens: this.#burst, filledAt: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.filledAt) / 1000) * this.#perSecond);
    bucket.filledAt = now;
    this.#remember(address, bucket);
    if (bucket.tokens < 1) {
      throw new BackhaulError('BH-E-RATE', { retryAfterMs: Math.ceil(((1 - bucket.tokens) / this.#perSecond) * 1000) });
    }
    bucket.tokens -= 1;
  }

  #remember(address: string, bucket: Bucket): void {
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size <= MAX_ADDRESSES) return;
    const oldest = this.#buckets.keys().next().value;
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
