import { BackhaulError, type Random } from '@backhaul/runtime';
import type { ParentConnection } from './parent-connection.ts';
import type { LinkNumber } from './wire-headers.ts';

/**
 * A run of overlapping envelopes to one parent. It ends when nothing is in flight any more (so that a restarted parent
 * never waits for numbers it cannot know), when an envelope of it was not answered with 200 (a number is never used
 * again for other content), or when another parent is used. What is in flight when it breaks is given up together.
 */
export class LinkSession {
  readonly link: ParentConnection;
  readonly #session: string;
  readonly #control = new AbortController();
  #number = 0;
  #inFlight = 0;

  constructor(link: ParentConnection, random: Random) {
    this.link = link;
    this.#session = random.bytes(8).toString('hex');
  }

  get signal(): AbortSignal {
    return this.#control.signal;
  }

  /** Nothing was sent yet, or something still is under way. */
  get usable(): boolean {
    return !this.#control.signal.aborted && (this.#number === 0 || this.#inFlight > 0);
  }

  next(): LinkNumber {
    this.#inFlight++;
    this.#number++;
    return { session: this.#session, number: this.#number };
  }

  answered(): void {
    this.#inFlight--;
  }

  /** Gives up everything in flight. */
  abort(): void {
    this.#control.abort(new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: 'given up with its session' }));
  }

  break(): void {
    this.#inFlight--;
    this.abort();
  }
}
