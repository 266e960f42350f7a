import type { Clock, Timer } from './clock.ts';

/** Does one thing every so often, the next time so long after the last has ended: never twice at once. */
export class Repeating {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #action: () => Promise<unknown>;
  #running = false;
  #timer: Timer | undefined;
  #under: Promise<unknown> = Promise.resolve();

  /** `action` handles its own errors: one that rejects ends the repetition. */
  constructor(clock: Clock, everyMs: number, action: () => Promise<unknown>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#action = action;
  }

  get running(): boolean {
    return this.#running;
  }

  /** The first time is after one interval. */
  start(): void {
    this.#running = true;
    this.#schedule();
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    await this.#under;
  }

  #schedule(): void {
    if (!this.#running) return;
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.#under = this.#action().then(() => this.#schedule());
    });
  }
}
