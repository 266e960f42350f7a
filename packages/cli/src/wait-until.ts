import type { Clock } from '@backhaul/runtime';

/**
 * Asks until the answer satisfies or the time is over; the last answer either way. An error of the question itself
 * is not caught.
 */
export async function waitUntil<T>(
  clock: Clock,
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
  limits: { timeoutMs: number; everyMs: number; signal?: AbortSignal },
): Promise<{ answer: T; satisfied: boolean }> {
  const end = clock.monotonic() + limits.timeoutMs;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return { answer, satisfied: true };
    if (clock.monotonic() >= end || limits.signal?.aborted) return { answer, satisfied: false };
    await clock.sleep(limits.everyMs, limits.signal);
  }
}
