/** What one envelope may hold on a link of unknown speed, and the least that is ever sent at once. */
const FLOOR_BYTES = 16 * 1024;
const START_BYTES = 256 * 1024;
const SAMPLES = 10;
/** What a link of unknown speed is held to carry, when it is asked how long something takes. */
const ASSUMED_BYTES_PER_SECOND = 8 * 1024;
/** No answer is expected later than this. */
const LONGEST_MS = 10_000;

/** Where the link stood when an envelope was sent. */
export interface SentAt {
  readonly delivered: number;
  readonly at: number;
}

/**
 * How much the link carries, so that what is under way is about one second of it [DESIGN §4.8]: the best of the last
 * samples, each the bytes delivered between sending an envelope and its answer, over that time.
 */
export class LinkRate {
  readonly #maxBytes: number;
  #samples: number[] = [];
  #delivered = 0;
  #inFlight = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  sent(bytes: number, now: number): SentAt {
    this.#inFlight += bytes;
    return { delivered: this.#delivered, at: now };
  }

  answered(bytes: number, from: SentAt, now: number): void {
    this.#inFlight -= bytes;
    this.#delivered += bytes;
    const bytesPerSecond = ((this.#delivered - from.delivered) * 1000) / Math.max(0.1, now - from.at);
    this.#samples.push(bytesPerSecond);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  lost(bytes: number): void {
    this.#inFlight -= bytes;
  }

  /** Nothing was answered in time: perhaps the link has become thinner than it was. It begins with little again. */
  silent(): void {
    this.#samples = [FLOOR_BYTES];
  }

  /** Bytes that the next envelope may hold; 0 when about a second of the link is under way already. */
  budget(): number {
    const second = this.#samples.length === 0 ? START_BYTES : Math.max(FLOOR_BYTES, ...this.#samples);
    if (this.#inFlight > 0 && this.#inFlight >= second) return 0;
    return Math.min(this.#maxBytes, Math.max(FLOOR_BYTES, second - this.#inFlight));
  }

  /** Ms that what is under way needs on the line. */
  expectedMs(): number {
    const bytesPerSecond = this.#samples.length === 0 ? ASSUMED_BYTES_PER_SECOND : Math.max(...this.#samples);
    return Math.min(LONGEST_MS, (this.#inFlight * 1000) / Math.max(1, bytesPerSecond));
  }
}
