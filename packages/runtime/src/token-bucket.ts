/**
 * A budget that refills at a steady rate up to a burst. Pure: the time comes in, monotonic milliseconds.
 *
 * `level` ≤ burst always. It may go below zero: by one cost larger than the burst, which passes when the bucket is full
 * (otherwise it could never pass), or by whoever takes first and waits afterwards. `promised` is the time up to which waits have been given out, so that senders who were
 * refused together come back one after the other instead of all at once.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #level: number;
  #at: number | undefined;
  #promised = 0;

  /** `rate` per second. */
  constructor(rate: number, burst: number) {
    this.#perMs = rate / 1000;
    this.#burst = burst;
    this.#level = burst;
  }

  /** 0 when `cost` fits now, otherwise the milliseconds to wait. Takes nothing. */
  waitFor(cost: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(cost, this.#burst) - this.#level;
    if (missing <= 1e-9) return 0;
    return Math.ceil(missing / this.#perMs);
  }

  /** Takes whether it fits or not; the answer is the milliseconds until what is owed has come in, 0 when it was there. */
  take(cost: number, now: number): number {
    this.#refill(now);
    this.#level -= cost;
    return this.#level >= 0 ? 0 : Math.ceil(-this.#level / this.#perMs);
  }

  /**
   * The wait to tell a sender that was refused: after those that were told before. Past `mostMs` it begins at the front again, so that
   * what is told to many fills the time that there is, and no promise that nobody waits for keeps everybody away. Milliseconds.
   */
  promise(cost: number, now: number, mostMs = Number.POSITIVE_INFINITY): number {
    const first = now + this.waitFor(cost, now);
    const next = Math.max(first, this.#promised);
    const from = next - now > mostMs ? first : next;
    this.#promised = from + cost / this.#perMs;
    return Math.ceil(from - now);
  }

  #refill(now: number): void {
    if (this.#at !== undefined && now > this.#at) {
      this.#level = Math.min(this.#burst, this.#level + (now - this.#at) * this.#perMs);
    }
    this.#at = Math.max(now, this.#at ?? now);
  }
}
