/** Failures on one message after which it is a dead letter. */
export const POISON_AFTER = 10;
/** Messages whose failures are counted; the one that was quiet longest makes room. */
const REMEMBERED = 4096;

type Identity = { source: string; epoch: string; lane: number; sequence: number };

/** How often each message has failed here, since this process began. Never grows past `REMEMBERED`. */
export class PoisonCounts {
  readonly #failures = new Map<string, number>();
  readonly #remembered: number;

  constructor({ remembered = REMEMBERED }: { remembered?: number } = {}) {
    this.#remembered = remembered;
  }

  get size(): number {
    return this.#failures.size;
  }

  /** Counts one more failure; true from the tenth on. */
  failed(identity: Identity): boolean {
    const key = keyOf(identity);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.delete(key);
    if (this.#failures.size >= this.#remembered) this.#forgetOldest();
    this.#failures.set(key, failures);
    return failures >= POISON_AFTER;
  }

  #forgetOldest(): void {
    for (const key of this.#failures.keys()) return void this.#failures.delete(key);
  }
}

function keyOf({ source, epoch, lane, sequence }: Identity): string {
  return `${source}/${epoch}/${lane}/${sequence}`;
}
