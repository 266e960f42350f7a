import { residentMiB } from './process-figures.ts';

const LOOK_MS = 100;

/** What an action gives, and the most that these processes weighed while it ran, looked at ten times a second. */
export async function peakMemory<T>(
  pids: readonly number[],
  action: () => Promise<T>,
): Promise<{ readonly result: T; readonly peakMiB: number }> {
  let peakMiB = residentMiB(pids);
  const timer = setInterval(() => (peakMiB = Math.max(peakMiB, residentMiB(pids))), LOOK_MS);
  try {
    const result = await action();
    return { result, peakMiB: Math.max(peakMiB, residentMiB(pids)) };
  } finally {
    clearInterval(timer);
  }
}
