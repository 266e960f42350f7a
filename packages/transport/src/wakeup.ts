/** Lets one loop sleep until something has changed; a change that comes while it is awake is not lost. */
export class Wakeup {
  #changed = false;
  #waiting: (() => void) | undefined;

  wake(): void {
    this.#changed = true;
    this.#waiting?.();
  }

  /** Resolves after `wake`, or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#waiting = undefined;
        this.#changed = false;
        resolve();
      };
      if (this.#changed || signal.aborted) return done();
      this.#waiting = done;
      signal.addEventListener('abort', done);
    });
  }
}
