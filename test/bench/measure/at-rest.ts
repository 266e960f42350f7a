/** A role that has been at rest for ten seconds gives back what starting or a burst took (`MemoryAtRest`). */
const REST_MS = 16_000;

/** Resolves when processes that nobody asks anything are as small as they get. */
export function atRest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}
