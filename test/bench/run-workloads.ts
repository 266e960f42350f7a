import { consoleReport } from './report/console-report.ts';
import { type KeptResult, keepResult } from './report/kept-result.ts';
import { thisMachine } from './report/machine.ts';
import type { Workload, WorkloadOrder } from './workload.ts';

/** One after the other; each result is kept as soon as it is there, unless it was only a small run. */
export async function runWorkloads(workloads: readonly Workload[], order: WorkloadOrder): Promise<KeptResult[]> {
  const results: KeptResult[] = [];
  for (const workload of workloads) {
    order.say(`\n${workload.title}, about ${workload.minutes} min`);
    const kept = await runOne(workload, order);
    if (!order.quick) keepResult(kept);
    order.say(consoleReport(kept));
    results.push(kept);
  }
  return results;
}

async function runOne(workload: Workload, order: WorkloadOrder): Promise<KeptResult> {
  const machine = thisMachine();
  const from = performance.now();
  const outcome = await workload.run(order);
  const seconds = (performance.now() - from) / 1000;
  return { result: { workload: workload.name, ...outcome, seconds }, machine, at: new Date().toISOString() };
}
