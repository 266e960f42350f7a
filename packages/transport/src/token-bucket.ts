/**
 * A rate with a burst, as a pure step: tokens come at `perSecond`, at most `burst` are saved up. `take` always takes and
 * tells how long to wait before the work may go on; what is owed is waited for by those who come later.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number | undefined;

  constructor(perSecond: number, burst: number = perSecond) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** `now` in ms of one clock that does not go back; the answer in ms, 0 when the tokens were there. */
  take(now: number, n: number): number {
    this.#refill(now);
    this.#tokens -= n;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs);
  }

  /** Takes only when the tokens are there: 0 when taken, else the ms after which they may be. */
  tryTake(now: number, n: number): number {
    this.#refill(now);
    if (this.#tokens >= n || this.#tokens >= this.#burst) {
      this.#tokens -= n;
      return 0;
    }
    return Math.ceil((Math.min(n, this.#burst) - this.#tokens) / this.#perMs);
  }

  #refill(now: number): void {
    const passed = Math.max(0, now - (this.#at ?? now));
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs);
  }
}
