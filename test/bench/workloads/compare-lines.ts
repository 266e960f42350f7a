import type { Line } from '../lines/line.ts';
import { inTurns, type Pair, ratios, spread } from '../measure/in-turns.ts';
import { ProcessWatch } from '../measure/process-watch.ts';
import { seenSyncs } from '../measure/seen-syncs.ts';

/** Rows of `PROCESS_COLUMNS`. */
export type ProcessRow = readonly (string | number)[];

export const PROCESS_COLUMNS = ['system', 'process', 'CPU s', 'CPU µs a message', 'MiB'] as const;

/** Messages; the rate of each is what is compared, so that a slow one may carry fewer. */
export interface Volume {
  readonly ours: number;
  readonly theirs: number;
  readonly warmUp: number;
  /** of the run under strace */
  readonly traced: number;
}

export interface LineRuns extends Volume {
  readonly pairs: number;
  readonly say: (line: string) => void;
}

export interface ComparedLines {
  readonly pairs: readonly Pair[];
  readonly syncsPerMessage: { readonly ours: number | undefined; readonly theirs: number | undefined };
  readonly processes: readonly ProcessRow[];
}

/** Both are warm, then they take turns; what waits for the disk is counted in a short run afterwards. */
export async function compareLines(ours: Line, theirs: Line, runs: LineRuns): Promise<ComparedLines> {
  const { warmUp, say } = runs;
  for (const line of [ours, theirs]) await line.run(warmUp);
  const watches = [ours, theirs].map(({ processes }) => new ProcessWatch(processes));
  const run = (line: Line, watch: ProcessWatch, messages: number) => () => watch.during(() => line.run(messages));
  const pairs = await inTurns(
    runs.pairs,
    run(ours, watches[0]!, runs.ours),
    run(theirs, watches[1]!, runs.theirs),
    ({ ours, theirs }, n) =>
      say(
        `  pair ${n}: ${Math.round(ours)} against ${Math.round(theirs)} messages/s, ratio ${(ours / theirs).toFixed(2)}`,
      ),
  );
  const of = spread(ratios(pairs));
  say(`  ${ours.title} against ${theirs.title}: ${of.median.toFixed(2)} (${of.min.toFixed(2)}–${of.max.toFixed(2)})`);
  const rows = [
    ...rowsOf(ours, watches[0]!, runs.ours * runs.pairs),
    ...rowsOf(theirs, watches[1]!, runs.theirs * runs.pairs),
  ];
  return {
    pairs,
    processes: rows,
    syncsPerMessage: { ours: await syncsOf(ours, runs.traced), theirs: await syncsOf(theirs, runs.traced) },
  };
}

async function syncsOf(line: Line, messages: number): Promise<number | undefined> {
  const seen = await seenSyncs(line.stores, () => line.run(messages));
  return seen === undefined ? undefined : seen / messages;
}

function rowsOf({ title }: Line, watch: ProcessWatch, messages: number): ProcessRow[] {
  return watch
    .figures()
    .map(({ process, cpuSeconds, residentMiB }) => [
      ...[title, process, cpuSeconds.toFixed(1), ((cpuSeconds * 1e6) / messages).toFixed(1)],
      Math.round(residentMiB),
    ]);
}
