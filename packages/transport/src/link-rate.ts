/** What a link is held to carry in a second at least. */
const FLOOR_BYTES = 16 * 1024;
/** … and one of unknown speed: an envelope full of small messages, and no more, which would stand on a thin line for half a minute. */
const START_BYTES = 128 * 1024;
const SAMPLES = 10;
/** The first answers tell more of new connections than of the line. */
const SURE_SAMPLES = 3;
/** A link that is not seen to carry this in a second is thin: a new connection's handshake would stand on it for long. */
const THIN_BYTES = 64 * 1024;
/** What a link of unknown speed is held to carry, when it is asked how long something takes. */
const ASSUMED_BYTES_PER_SECOND = 8 * 1024;
/** No answer is expected later than this. */
const LONGEST_MS = 10_000;

/** An envelope under way. */
export interface Sending {
  /** bytes that the link had delivered when it was sent */
  readonly delivered: number;
  readonly at: number;
  /** when the first was sent of all that have been answered meanwhile, or itself */
  since: number;
}

/** Urgent messages have a way of their own, past whatever else is under way. */
export type Way = 'urgent' | 'other';

/**
 * How much the link carries, so that what is under way is about one second of it [DESIGN §4.8]: the best of the last
 * samples, each the bytes delivered between sending an envelope and its answer, over the time since the first of them was sent, lest
 * what was under way before make a line look fast. What is urgent is counted for itself: it waits for no second of the others.
 */
export class LinkRate {
  readonly #maxBytes: number;
  #samples: number[] = [];
  #delivered = 0;
  readonly #sendings = new Set<Sending>();
  readonly #inFlight = { urgent: 0, other: 0 };

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  sent(way: Way, bytes: number, now: number): Sending {
    this.#inFlight[way] += bytes;
    const sending = { delivered: this.#delivered, at: now, since: now };
    this.#sendings.add(sending);
    return sending;
  }

  answered(way: Way, bytes: number, sending: Sending, now: number): void {
    this.#ended(way, bytes, sending);
    this.#delivered += bytes;
    for (const other of this.#sendings) other.since = Math.min(other.since, sending.at);
    const bytesPerSecond = ((this.#delivered - sending.delivered) * 1000) / Math.max(0.1, now - sending.since);
    this.#samples.push(bytesPerSecond);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  lost(way: Way, bytes: number, sending: Sending): void {
    this.#ended(way, bytes, sending);
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
    return this.#samples.length >= SURE_SAMPLES && isThinRate(Math.max(...this.#samples));
  }

  /** Ms that what is under way needs on the line. */
  expectedMs(): number {
    const bytesPerSecond = this.#samples.length === 0 ? ASSUMED_BYTES_PER_SECOND : Math.max(...this.#samples);
    const { urgent, other } = this.#inFlight;
    return Math.min(LONGEST_MS, ((urgent + other) * 1000) / Math.max(1, bytesPerSecond));
  }

  #ended(way: Way, bytes: number, sending: Sending): void {
    this.#inFlight[way] -= bytes;
    this.#sendings.delete(sending);
  }
}

export function isThinRate(bytesPerSecond: number): boolean {
  return bytesPerSecond < THIN_BYTES;
}
