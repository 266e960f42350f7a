import { COLLECTION, NODE, STEPS } from './steps.ts';

/** What V8 writes with `--cpu-prof`: times in µs of the monotonic clock. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** µs of a thread's busy time by step, between two points of the monotonic clock (µs). */
export function attribute(profile: CpuProfile, from: number, to: number): Map<string, number> {
  const stepOf = stepsOfNodes(profile);
  const bySteps = new Map<string, number>();
  let now = profile.startTime;
  for (const [index, node] of profile.samples.entries()) {
    const delta = profile.timeDeltas[index]!;
    now += delta;
    const step = stepOf.get(node);
    if (step === undefined || now < from || now > to) continue;
    bySteps.set(step, (bySteps.get(step) ?? 0) + delta);
  }
  return bySteps;
}

/** The step of each node; none for those in which the thread has nothing to do. */
function stepsOfNodes({ nodes }: CpuProfile): Map<number, string> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const steps = new Map<number, string>();
  for (const { id, callFrame } of nodes) {
    if (callFrame.functionName === '(idle)') continue;
    let step = callFrame.functionName === '(garbage collector)' ? COLLECTION : undefined;
    for (let at: number | undefined = id; at !== undefined && step === undefined; at = parents.get(at))
      step = stepOfFile(frames.get(at)!.url);
    steps.set(id, step ?? NODE);
  }
  return steps;
}

function stepOfFile(url: string): string | undefined {
  if (url === '' || url.startsWith('node:')) return undefined;
  return STEPS.find(({ files }) => files.some((file) => file.test(url)))?.name;
}
