/** The only place where time is read and timers are made. Everything else takes a `Clock` by hand. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time, milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds since some start; never goes back within one boot. */
  monotonic(): number;
  /** Runs `action` once after `ms`. Does not keep the process alive by itself. */
  after(ms: number, action: () => void): Timer;
  /** Resolves after `ms`, or at once when the signal aborts (never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What `setTimeout` can count; it runs what is further off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    return timer(ms, action, (handle) => handle.unref());
  },
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        waiting.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const waiting = timer(ms, done);
      signal?.addEventListener('abort', done, { once: true });
    });
  },
};

/** One that is longer than what can be counted at once is made of several. */
function timer(ms: number, action: () => void, made: (handle: NodeJS.Timeout) => void = () => {}): Timer {
  let handle: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    const laterMs = leftMs - LONGEST_TIMER_MS;
    handle = laterMs > 0 ? setTimeout(() => wait(laterMs), LONGEST_TIMER_MS) : setTimeout(action, leftMs);
    made(handle);
  };
  wait(ms);
  return { cancel: () => clearTimeout(handle) };
}

/** `2026-11-21T03:19:00.000Z` */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
