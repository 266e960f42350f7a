import { BackhaulLine } from '../lines/backhaul-line.ts';
import type { Comparison, Workload, WorkloadOrder } from '../workload.ts';
import { compareLines, PROCESS_COLUMNS, type ProcessRow } from './compare-lines.ts';
import { withLines } from './with-lines.ts';

const PAIRS = 3;
/** Messages of a run by the size of a batch: a run takes some seconds, whatever the batch. */
const MESSAGES: ReadonlyMap<number, number> = new Map([
  [1, 10_000],
  [16, 50_000],
  [64, 100_000],
  [256, 100_000],
]);
const QUICK_MESSAGES = 2_000;
const WARM_UP_PART = 5;
const TRACED = 2_000;
const AIM = { better: 'more', reach: 0.6, goFor: 0.8 } as const;

export const contracts: Workload = {
  name: 'contracts',
  title: 'Contracts side by side: one message a request and batches, mutual TLS and plain',
  minutes: 8,
  async run(order) {
    const comparisons: Comparison[] = [];
    const processes: ProcessRow[] = [];
    for (const batch of MESSAGES.keys()) {
      const result = await play(batch, order);
      comparisons.push(result.comparison);
      processes.push(...result.processes);
    }
    return {
      setting:
        'The same batch everywhere: in the integrator’s request and, as a limit, in the envelopes of both hops. Ours is mutual TLS, theirs our own plain HTTP.',
      comparisons,
      figures: [{ title: 'Processor time and memory over all runs', columns: PROCESS_COLUMNS, rows: processes }],
      missing: [],
    };
  },
};

async function play(batch: number, { pairs = PAIRS, quick, say }: WorkloadOrder) {
  const what = batch === 1 ? 'one message a request' : `batches up to ${batch}`;
  say(`${what} …`);
  const messages = quick ? QUICK_MESSAGES : MESSAGES.get(batch)!;
  const start = (plain: boolean) => () => BackhaulLine.start({ plain, batch });
  return withLines([start(false), start(true)], async (ours, theirs) => {
    const volume = { ours: messages, theirs: messages, warmUp: Math.ceil(messages / WARM_UP_PART), traced: TRACED };
    const compared = await compareLines(ours, theirs, { ...volume, pairs: quick ? 1 : pairs, say });
    const { syncsPerMessage, processes } = compared;
    const comparison: Comparison = {
      ...{ what, unit: 'messages/s', peer: 'Backhaul, plain', batch: { ours: batch, theirs: batch } },
      ...{ syncsPerMessage, pairs: compared.pairs, aim: AIM },
      durability: { ours: ours.durability, theirs: theirs.durability },
    };
    return { comparison, processes };
  });
}
