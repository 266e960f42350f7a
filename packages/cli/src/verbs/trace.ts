import { z } from 'zod';
import type { ApiClient } from '../client.ts';
import { formatDuration, formatTime, toMs } from '../format.ts';
import { renderTable } from '../table.ts';
import type { Verb } from '../verb.ts';

const time = z.union([z.number(), z.string()]);
const hop = z.looseObject({ id: z.string(), in: time, out: time.nullish() });
const traced = z.looseObject({ hops: z.array(hop) });
type Hop = z.infer<typeof hop>;

/** One line of the route: how long the message stood at a hop, and how long it was on the line towards the next. */
export interface RouteStep {
  readonly id: string;
  readonly in: number;
  readonly out: number | undefined;
  readonly atHopMs: number | undefined;
  /** by two clocks: a negative time says that they differ */
  readonly onLineMs: number | undefined;
}

export const trace: Verb = {
  path: 'trace',
  summary: 'the route of a message, with the time it spent at each hop and on each line',
  description:
    'The time at a hop is by that hop’s own clock. The time on a line is between two clocks; a negative one says that they differ.',
  arguments: [['<id>', 'message ID']],
  connects: true,
  examples: ['backhaul trace 06f3x2m8v0c4k7q9t1w5y3z6b8', 'backhaul trace 06f3x… --json'],
  run: async ({ api, args, width }) => {
    const document = await readTrace(await api(), args[0]!);
    const steps = routeSteps(document.hops);
    return { json: { ...document, steps }, text: renderRoute(steps, width) };
  },
};

function readTrace(client: ApiClient, id: string): Promise<z.infer<typeof traced>> {
  return client.get(`/messages/${encodeURIComponent(id)}/trace`, traced);
}

export function routeSteps(hops: readonly Hop[]): RouteStep[] {
  return hops.map((one, index) => {
    const inAt = toMs(one.in);
    const out = one.out === undefined || one.out === null ? undefined : toMs(one.out);
    const next = hops[index + 1];
    return {
      id: one.id,
      in: inAt,
      out,
      atHopMs: out === undefined ? undefined : out - inAt,
      onLineMs: out === undefined || next === undefined ? undefined : toMs(next.in) - out,
    };
  });
}

function renderRoute(steps: readonly RouteStep[], width: number | undefined): string {
  const duration = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatDuration(ms));
  const table = renderTable(
    steps,
    [
      { title: 'HOP', value: (step) => step.id, flexible: true },
      { title: 'IN (UTC)', value: (step) => formatTime(step.in) },
      { title: 'AT THE HOP', value: (step) => duration(step.atHopMs), align: 'right' },
      { title: 'ON THE LINE', value: (step) => duration(step.onLineMs), align: 'right' },
    ],
    width,
  );
  const first = steps[0];
  const last = steps.at(-1);
  if (first === undefined || last === undefined) return table;
  return `${table}\n\nin all ${formatDuration((last.out ?? last.in) - first.in)}`;
}
