import type { Workload } from './workload.ts';

/** What `--help` says. */
export function helpText(workloads: readonly Workload[], parts: readonly string[]): string {
  const lines = workloads.map(({ name, title, minutes }) => `  ${name.padEnd(14)} ${title}, about ${minutes} min`);
  return `Backhaul beside what one would take instead, on the same machine in the same run, in turns.

  npm run bench -- --install            fetches the peers from Debian (needs root); starts none of them
  npm run bench                         every workload, one after the other, and the page
  npm run bench -- throughput           one workload; its result is kept for the page
  npm run bench -- throughput latency --pairs 3
  npm run bench -- contracts --small    few and small: is everything in its place?
  npm run bench -- quick                the relay, and a short look at each peer that is installed: 2 minutes
  npm run bench -- --page               docs/performance.md from the results that are kept
  npm run bench --silent -- latency --json > latency.json

Workloads:
${lines.join('\n')}
  backlog        a week of messages that waited in a proxy: rate, order, memory
  profile        where the time of one message goes, by step and hop; with --page into docs/performance.md

One part alone: ${parts.join(', ')}

  --pairs <n>    pairs of runs; each workload has its own number
  --small        each workload with few messages and one pair
  --json         the results as JSON on standard output

Results are kept in .bench/results, one file a workload. Everything else goes into private folders that are removed
again. A system that is not installed is named as missing, and the rest goes on.`;
}
