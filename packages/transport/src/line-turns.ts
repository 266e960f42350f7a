import type { Clock, Timer } from '@backhaul/runtime';
import { once } from './once.ts';

/** An envelope that is next goes within this time, or not now. */
const OFFER_MS = 1_000;
/** A piece of an artifact that has not come by then has stalled: others do not wait for it any longer. */
const TURN_MS = 10_000;

export interface LineTurnsOptions {
  readonly clock: Clock;
  /** something that is not urgent waits and could be sent now */
  readonly isWanted: () => boolean;
  /** envelopes that had to wait may go */
  readonly onFree: () => void;
}

/**
 * Who may use a thin line. What is not urgent goes over it in turns, a piece of an artifact down and envelopes up: an alarm then
 * shares the line with one of them and not with both [DESIGN §4.8]. Urgent messages ask nobody.
 */
export class LineTurns {
  readonly #options: LineTurnsOptions;
  /** pieces that wait, the longest first */
  readonly #waiting = new Set<() => void>();
  #pieces = 0;
  #envelopes = 0;
  /** the line is offered to envelopes before the next piece */
  #offered: Timer | undefined;

  constructor(options: LineTurnsOptions) {
    this.#options = options;
  }

  /** Envelopes have to wait: a piece is on the line, or waits for those that are. */
  get isTaken(): boolean {
    return this.#pieces > 0 || (this.#waiting.size > 0 && this.#envelopes > 0);
  }

  /** An envelope of what is not urgent goes. The function it returns says that it has been answered, or lost. */
  envelope(): () => void {
    this.#envelopes += 1;
    this.#endOffer();
    return once(() => {
      this.#envelopes -= 1;
      this.#next();
    });
  }

  /**
   * Resolves when a piece of an artifact may be asked for, or the signal aborts. The function it resolves with says that it
   * has come, or will not.
   */
  piece(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve) => {
      const begin = once(() => {
        signal.removeEventListener('abort', begin);
        this.#waiting.delete(begin);
        resolve(this.#begin());
      });
      signal.addEventListener('abort', begin, { once: true });
      this.#waiting.add(begin);
      if (signal.aborted) begin();
      else this.#next();
    });
  }

  #begin(): () => void {
    this.#pieces += 1;
    const end = once(() => {
      limit.cancel();
      this.#pieces -= 1;
      this.#offer();
    });
    const limit = this.#options.clock.after(TURN_MS, end);
    return end;
  }

  #offer(): void {
    const { clock, isWanted, onFree } = this.#options;
    onFree();
    if (isWanted()) {
      this.#offered ??= clock.after(OFFER_MS, () => {
        this.#endOffer();
        this.#next();
      });
    }
    this.#next();
  }

  #endOffer(): void {
    this.#offered?.cancel();
    this.#offered = undefined;
  }

  #next(): void {
    if (this.#pieces > 0 || this.#envelopes > 0 || this.#offered !== undefined) return;
    const [longest] = this.#waiting;
    longest?.();
  }
}
