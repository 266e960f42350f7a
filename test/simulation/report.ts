import type { SeedResult } from './run-seed.ts';
import type { Shortened } from './shrink.ts';

const HOUR = 3_600_000;

export function progress({ seed, failure, figures, endedAt }: SeedResult, done: number, all: number): void {
  const end = failure === undefined ? 'ok' : `FAILED ${failure.invariant}`;
  const did = `${figures['messages']} messages, ${figures['crashes']} crashes, ${(endedAt / HOUR).toFixed(1)} h`;
  console.log(`[${done}/${all}] seed ${seed}: ${end} (${did}, ${figures['events']} events)`);
}

/** `tookMs`: real time of all runs together. */
export function printSummary(results: readonly SeedResult[], tookMs: number): void {
  const sum = (name: string): number => results.reduce((total, { figures }) => total + (figures[name] ?? 0), 0);
  const hours = results.reduce((total, { endedAt }) => total + endedAt / HOUR, 0);
  const seconds = tookMs / 1000;
  const failed = results.filter(({ failure }) => failure !== undefined);
  const rows: [string, string][] = [
    ['seeds', String(results.length)],
    ['simulated hours', hours.toFixed(1)],
    ['events', grouped(sum('events'))],
    ['messages handed in', grouped(sum('messages'))],
    ['effects', grouped(sum('effects'))],
    ['commands', grouped(sum('commands'))],
    ['requests', grouped(sum('requests'))],
    ['crashes', grouped(sum('crashes'))],
    ['orderly stops', grouped(sum('stops'))],
    ['partitions', grouped(sum('partitions'))],
    ['replies lost', grouped(sum('lostReplies'))],
    ['requests lost', grouped(sum('lostRequests'))],
    ['requests twice', grouped(sum('duplicates'))],
    ['copies restored', grouped(sum('restored'))],
    ['lies told', grouped(sum('lies'))],
    ['invariants checked', grouped(sum('checks'))],
    ['failures', String(failed.length)],
  ];
  if (seconds > 0) {
    rows.push(['seconds', seconds.toFixed(1)]);
    rows.push(['events a second', grouped(Math.round(sum('events') / seconds))]);
    rows.push(['simulated hours a minute', ((hours * 60) / seconds).toFixed(1)]);
  }
  console.log();
  for (const [name, value] of rows) console.log(`${name.padEnd(26)}${value.padStart(14)}`);
}

export function printFailure(
  failed: SeedResult,
  given: { readonly hours: number; readonly without: ReadonlySet<number> },
  shortest: Shortened | undefined,
): void {
  console.log(`\nSEED=${failed.seed} ${command(failed, given.hours, given.without)}`);
  console.log(`  ${failed.failure?.detail}`);
  if (shortest === undefined) return;
  console.log(
    `  shortest found in ${shortest.tries} runs: ${command(shortest.result, shortest.hours, shortest.without)}`,
  );
  console.log(`  ${shortest.result.failure?.detail}`);
}

function command({ seed, kinds }: SeedResult, hours: number, without: ReadonlySet<number>): string {
  const only = kinds.length === 0 ? 'none' : kinds.join(',');
  const left = without.size === 0 ? '' : ` --without ${[...without].join(',')}`;
  return `npm run sim -- --seed ${seed} --hours ${hours} --only ${only}${left}`;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
