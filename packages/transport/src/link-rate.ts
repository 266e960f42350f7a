/** What a link is held to carry in a second at least. */
const FLOOR_BYTES = 16 * 1024;
/** … and one of unknown speed: an envelope full of small messages, and no more, which would stand on a thin line for half a minute. */
const START_BYTES = 128 * 1024;
const SAMPLES = 10;
/** A link that is not seen to carry this in a second is thin: a new connection's handshake would stand on it for long. */
const THIN_BYTES = 64 * 1024;
/** What a link of unknown speed is held to carry, when it is asked how long something takes. */
const ASSUMED_BYTES_PER_SECOND = 8 * 1024;
/** No answer is expected later than this. */
const LONGEST_MS = 10_000;

/** Where the link stood when an envelope was sent: the bytes it had delivered, and since when it works on those after them. */
export interface SentAt {
  readonly delivered: number;
  readonly at: number;
}

/** Urgent messages have a way of their own, past whatever else is under way. */
export type Way = 'urgent' | 'other';

/**
 * How much the link carries, so that what is under way is about one second of it [DESIGN §4.8]: the best of the last
 * samples, each the bytes delivered between sending an envelope and its answer, over the time that the link worked on them: of what was
 * under way already when it was sent a part had passed, so that counts from the answer before. What is urgent is counted for
 * itself: it waits for no second of the others.
 */
export class LinkRate {
  readonly #maxBytes: number;
  #samples: number[] = [];
  #delivered = 0;
  /** of the last answer; of the sending, when nothing was under way */
  #deliveredAt = 0;
  readonly #inFlight = { urgent: 0, other: 0 };

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  sent(way: Way, bytes: number, now: number): SentAt {
    if (this.#inFlight.urgent + this.#inFlight.other === 0) this.#deliveredAt = now;
    this.#inFlight[way] += bytes;
    return { delivered: this.#delivered, at: this.#deliveredAt };
  }

  answered(way: Way, bytes: number, from: SentAt, now: number): void {
    this.#inFlight[way] -= bytes;
    this.#delivered += bytes;
    this.#deliveredAt = now;
    const bytesPerSecond = ((this.#delivered - from.delivered) * 1000) / Math.max(0.1, now - from.at);
    this.#samples.push(bytesPerSecond);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  lost(way: Way, bytes: number): void {
    this.#inFlight[way] -= bytes;
  }

  /** Nothing was answered in time: perhaps the link has become thinner than it was. It begins with little again. */
  silent(): void {
    this.#samples = [FLOOR_BYTES];
  }

  /**
   * Bytes that the next envelope may hold; 0 when most of a second of the link is under way already: on a line that several
   * connections share, each envelope more would be one that an urgent message has to share with.
   */
  budget(way: Way): number {
    const second = this.#samples.length === 0 ? START_BYTES : Math.max(FLOOR_BYTES, ...this.#samples);
    const { urgent, other } = this.#inFlight;
    const room = second - urgent - (way === 'urgent' ? 0 : other);
    return room < second / 2 ? 0 : Math.min(this.#maxBytes, room);
  }

  /** On such a link waiting for an answer is sooner than a new connection. */
  get isThin(): boolean {
    return this.#samples.length > 0 && Math.max(...this.#samples) < THIN_BYTES;
  }

  /** Ms that what is under way needs on the line. */
  expectedMs(): number {
    const bytesPerSecond = this.#samples.length === 0 ? ASSUMED_BYTES_PER_SECOND : Math.max(...this.#samples);
    const { urgent, other } = this.#inFlight;
    return Math.min(LONGEST_MS, ((urgent + other) * 1000) / Math.max(1, bytesPerSecond));
  }
}
