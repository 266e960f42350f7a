import { z } from 'zod';
import { component, message } from '../../api-shapes.ts';
import { toMs } from '../../format.ts';
import { waitUntil } from '../../wait-until.ts';
import type { DemoRun } from '../demo-run.ts';
import type { DemoStep } from '../demo-steps.ts';
import { notInTime } from '../not-in-time.ts';
import { readSummary, type Summary } from '../summary.ts';

/** The seven data types of the source document's publish/subscribe figure (fig. 3), by their class. */
export const HOST_CLASSES = [
  'os-packages',
  'patches',
  'disk-configuration',
  'system-configuration',
  'performance',
  'system-alarms',
  'storage-alarms',
] as const;

const LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 400;
const PAGE = 500;

type Message = z.infer<typeof message>;

/** Everything the host says, from each proxy, stored; part of its performance data filtered, part merged, part told to wait. */
export const checkUpward: DemoStep = {
  does: 'receive the seven kinds of host data from each of the three proxies, some of it filtered, merged and told to wait on the way',
  run: async (run) => {
    const look = async () => judge(run, await arrivedSinceStart(run), await readSummary(run));
    const { answer: missing } = await waitUntil(run.cli.clock, look, (lacks) => lacks.length === 0, {
      timeoutMs: LIMIT_MS,
      everyMs: LOOK_EVERY_MS,
    });
    if (missing.length > 0) throw notInTime([...missing, ...(await shutOut(run))].join('; '), run.folder.file('logs'));
    const { classes, messages, filtered, merged, throttled } = run.result.upward;
    return `${classes} kinds of host data from each proxy: ${messages} messages stored, ${filtered} filtered, ${merged} merged, ${throttled} told to wait`;
  },
};

/** Newest first; what an earlier run has brought ends the reading. */
async function arrivedSinceStart(run: DemoRun): Promise<Message[]> {
  const arrived: Message[] = [];
  let cursor: string | undefined;
  do {
    const shape = z.looseObject({ items: z.array(message), nextCursor: z.string().nullish() });
    const page = await run.api.get('/messages', shape, {
      customer: run.folder.state.customer,
      limit: PAGE,
      ...(cursor ? { cursor } : {}),
    });
    const fresh = page.items.filter(({ receivedAt }) => toMs(receivedAt ?? 0) >= run.startedAt);
    arrived.push(...fresh);
    cursor = fresh.length === page.items.length ? (page.nextCursor ?? undefined) : undefined;
  } while (cursor !== undefined);
  return arrived;
}

/** Puts down what has arrived, and gives what is still lacking, in words. */
function judge(run: DemoRun, arrived: readonly Message[], summary: Summary): string[] {
  const { upward } = run.result;
  const proxies = run.proxyIds();
  const complete = HOST_CLASSES.filter((name) =>
    proxies.every((proxy) => arrived.some((one) => isOf(one, proxy, name))),
  );
  upward.classes = complete.length;
  upward.byClass = countBy(arrived, (one) => `${one.class}/${one.subclass}`);
  upward.messages = arrived.length;
  upward.filtered = summary.filtered - run.before.filtered;
  upward.merged = summary.merged - run.before.merged;
  upward.throttled = summary.throttled - run.before.throttled;
  run.sampleMessage = arrived.find(({ class: name }) => name === 'system-configuration')?.id ?? arrived[0]?.id;
  return [
    ...proxies.flatMap((proxy) => lackOf(arrived, proxy)),
    ...(upward.filtered > 0 ? [] : ['nothing was filtered']),
    ...(upward.merged > 0 ? [] : ['nothing was merged']),
    ...(upward.throttled > 0 ? [] : ['nothing was told to wait']),
  ];
}

function lackOf(arrived: readonly Message[], proxy: string): string[] {
  const lacking = HOST_CLASSES.filter((name) => !arrived.some((one) => isOf(one, proxy, name)));
  return lacking.length === 0 ? [] : [`${lacking.join(', ')} have not arrived from ${proxy}`];
}

/** In a folder taken up a component may have been revoked meanwhile. */
async function shutOut(run: DemoRun): Promise<string[]> {
  const rows = await run.api.list('/components', component);
  return rows
    .filter(({ state }) => state !== 'active')
    .map(({ id, state }) => `${id} is ${state}: begin anew with --fresh`);
}

/** An aggregate is the MLM's own message; what it was made of came through each proxy, as the support instance says. */
function isOf({ source, instance, class: name }: Message, proxy: string, wanted: string): boolean {
  return name === wanted && (source === proxy || (instance ?? '').startsWith(`${proxy}.`));
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
