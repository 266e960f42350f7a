import { residentMiB } from './process-figures.ts';

const LOOK_MS = 100;

/** What an action gives, and the most that these processes weighed while it ran, looked at ten times a second unless said. */
export async function peakMemory<T>(
  pids: readonly number[],
  action: () => Promise<T>,
  lookMs = LOOK_MS,
): Promise<{ readonly result: T; readonly peakMiB: number }> {
  let peakMiB = residentMiB(pids);
  const timer = setInterval(() => (peakMiB = Math.max(peakMiB, residentMiB(pids))), lookMs);
  try {
    const result = await action();
    return { result, peakMiB: Math.max(peakMiB, residentMiB(pids)) };
  } finally {
    clearInterval(timer);
  }
}
