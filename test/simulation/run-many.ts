import { Worker } from 'node:worker_threads';
import type { FaultKind } from './faults.ts';
import { runSeed, type SeedResult } from './run-seed.ts';

export interface ManyOptions {
  readonly seeds: readonly number[];
  readonly hours: number;
  readonly kinds?: readonly FaultKind[];
  readonly without?: ReadonlySet<number>;
  /** every so-many-th world is run twice; 0: none */
  readonly again: number;
  readonly workers: number;
  readonly onResult: (result: SeedResult, done: number) => void;
}

/** What one thread is asked for. */
export type SeedRequest = Pick<ManyOptions, 'hours' | 'kinds' | 'without'> & { readonly seed: number; again: boolean };

/** Runs worlds, on several threads when asked to; results in the order of the seeds. */
export async function runMany(options: ManyOptions): Promise<SeedResult[]> {
  const { seeds, hours, kinds, without, again, workers, onResult } = options;
  const requests = seeds.map((seed, index) => ({
    ...{ seed, hours, again: again > 0 && (index + 1) % again === 0 },
    ...(kinds === undefined ? {} : { kinds }),
    ...(without === undefined ? {} : { without }),
  }));
  const results: SeedResult[] = [];
  const waiting = [...requests];
  const take = async (run: (request: SeedRequest) => Promise<SeedResult>): Promise<void> => {
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      results.push(await run(request));
      onResult(results.at(-1)!, results.length);
    }
  };
  if (workers <= 1) await take(runTwiceIfAsked);
  else await Promise.all(Array.from({ length: workers }, () => onThread(take)));
  return results.toSorted((a, b) => a.seed - b.seed);
}

/** The same seed leaves the same trace, or the simulation itself is at fault. */
export async function runTwiceIfAsked({ again, ...request }: SeedRequest): Promise<SeedResult> {
  const first = await runSeed(request);
  if (!again) return first;
  const second = await runSeed(request);
  if (second.trace === first.trace) return first;
  const detail = `two runs of seed ${request.seed} left the traces ${first.trace} and ${second.trace}`;
  return { ...first, failure: { invariant: 'determinism', detail } };
}

async function onThread(take: (run: (request: SeedRequest) => Promise<SeedResult>) => Promise<void>): Promise<void> {
  const worker = new Worker(new URL('./seed-worker.ts', import.meta.url));
  try {
    await take(
      (request) =>
        new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
          worker.postMessage(request);
        }),
    );
  } finally {
    await worker.terminate();
  }
}
