/** Lets one loop sleep until something has changed; a change that comes while it is awake is not lost. */
export class Wakeup {
  #changed = false;
  #waiting: (() => void) | undefined;

  wake(): void {
    this.#changed = true;
    this.#waiting?.();
  }

  /** Resolves after `wake`, or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#waiting = undefined;
    this.#changed = false;
  }
}
