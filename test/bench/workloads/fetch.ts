import { join } from 'node:path';
import { identityOf, uriSan } from '@backhaul/identity';
import { programPath, temporaryDirectory } from '@backhaul/testkit';
import { ArtifactRow } from '../light/artifact-row.ts';
import { monotonicMs } from '../light/crowd.ts';
import { mlmId, TRUST_DOMAIN } from '../light/names.ts';
import { atRest } from '../measure/at-rest.ts';
import { inTurns, type Pair, spread } from '../measure/in-turns.ts';
import { peakMemory } from '../measure/peak-memory.ts';
import { cpuSeconds } from '../measure/process-figures.ts';
import { runCommand } from '../measure/run-command.ts';
import type { Workload, WorkloadOrder } from '../workload.ts';

const FULL = { bytes: 2 ** 30, pairs: 3 } as const;
const QUICK = { bytes: 64 * 2 ** 20, pairs: 2 } as const;
const NEEDED = ['curl', 'openssl', 'sync', 'sh'];

export const fetch: Workload = {
  name: 'fetch',
  title: 'A file fetched, verified and synced',
  minutes: 3,
  run,
};

async function run({ quick, say, pairs: wanted }: WorkloadOrder) {
  const { bytes, pairs: own } = quick ? QUICK : FULL;
  const count = wanted ?? own;
  const missing = NEEDED.filter((program) => programPath(program) === undefined).map(
    (name) => `${name} is not installed`,
  );
  const setting = `a file of ${bytes / 2 ** 20} MiB from the page cache of the same server for both, over plain loopback, to the same disk; ours from the offer above the MLM until its child is offered the file`;
  if (missing.length > 0) return { setting, comparisons: [], figures: [], missing };
  const costs: { peakMiB: number; cpuSeconds: number }[] = [];
  const pairs: Pair[] = [];
  for (let n = 1; n <= count; n += 1) {
    const { pair, cost } = await onePair(bytes);
    pairs.push(pair);
    costs.push(cost);
    say(`${n}/${count} MLM ${Math.round(pair.ours)}, curl && openssl && sync ${Math.round(pair.theirs)} MB/s`);
  }
  const middle = (of: (cost: (typeof costs)[number]) => number) => spread(costs.map(of)).median;
  return {
    setting,
    comparisons: [
      {
        ...{ what: 'fetch, verify, sync', unit: 'MB/s', peer: 'curl -o f && openssl dgst -sha256 f && sync f', pairs },
        durability: {
          ours: 'verified and synced under its name, folder synced; that it is here is stored, and the offer waits in a mailbox',
          theirs: 'the hash is computed, the file synced',
        },
        aim: { better: 'more' as const, reach: 1, goFor: 2 },
      },
    ],
    figures: [
      {
        title: 'What the fetch costs the MLM (medians)',
        columns: ['MiB at most', 'CPU s'],
        rows: [[Math.round(middle(({ peakMiB }) => peakMiB)), Number(middle((one) => one.cpuSeconds).toFixed(2))]],
      },
    ],
    missing,
  };
}

/** A fresh MLM each time: one that has the file would not fetch it. */
async function onePair(bytes: number): Promise<{ pair: Pair; cost: { peakMiB: number; cpuSeconds: number } }> {
  const artifact = await ArtifactRow.start(bytes, 1);
  const { pids } = artifact.row;
  const rate = (ms: number): number => bytes / 1e3 / ms;
  try {
    await atRest();
    const cpuBefore = cpuSeconds(pids);
    let peak = 0;
    const ours = async (): Promise<number> => {
      const { result, peakMiB } = await peakMemory(pids, () => artifact.offer());
      peak = peakMiB;
      return rate(result);
    };
    const [pair] = await inTurns(1, ours, async () => rate(await byHand(artifact)));
    return { pair: pair!, cost: { peakMiB: peak, cpuSeconds: cpuSeconds(pids) - cpuBefore } };
  } finally {
    await artifact.stop();
  }
}

/** Ms. It says who it is as the MLM does, to the same server. */
async function byHand({ parent, file }: ArtifactRow): Promise<number> {
  const folder = await temporaryDirectory('bh-curl-');
  try {
    const identity = `backhaul-identity: ${uriSan(identityOf(mlmId(), TRUST_DOMAIN))}`;
    const script = 'curl -sS --fail -H "$1" -o "$2" "$3" && openssl dgst -sha256 "$2" && sync "$2"';
    const words = [identity, join(folder.path, 'f'), `${parent.url}/v1/artifacts/${file.sha256}`];
    const from = monotonicMs();
    await runCommand('sh', ['-c', script, 'sh', ...words]);
    return monotonicMs() - from;
  } finally {
    await folder.remove();
  }
}
