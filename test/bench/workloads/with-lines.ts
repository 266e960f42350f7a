import type { Line } from '../lines/line.ts';

/** Starts both, hands them over, and stops whatever has started. */
export async function withLines<T>(
  starts: readonly [() => Promise<Line>, () => Promise<Line>],
  action: (ours: Line, theirs: Line) => Promise<T>,
): Promise<T> {
  const started: Line[] = [];
  try {
    for (const start of starts) started.push(await start());
    return await action(started[0]!, started[1]!);
  } finally {
    for (const line of started.toReversed()) await line.stop();
  }
}
