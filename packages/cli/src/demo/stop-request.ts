import type { Clock } from '@backhaul/runtime';

/** A terminal and npm may both pass on the same Ctrl-C. */
const SAME_REQUEST_MS = 1_500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first signal asks to stop in order; a later one ends everything at once. Nothing is left behind when the process exits otherwise. */
export class StopRequest {
  readonly asked: Promise<void>;
  readonly #clock: Clock;
  readonly #kill: () => void;
  #askedAt: number | undefined;
  #resolve: () => void = () => {};

  constructor(clock: Clock, kill: () => void) {
    this.#clock = clock;
    this.#kill = kill;
    this.asked = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    process.on('exit', this.#kill);
  }

  get wasAsked(): boolean {
    return this.#askedAt !== undefined;
  }

  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('exit', this.#kill);
  }

  #onSignal = (): void => {
    const now = this.#clock.monotonic();
    if (this.#askedAt === undefined) {
      this.#askedAt = now;
      this.#resolve();
    } else if (now - this.#askedAt > SAME_REQUEST_MS) {
      this.#kill();
      process.exit(130);
    }
  };
}
