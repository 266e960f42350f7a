import { dirname } from 'node:path';
import { identityOf, uriSan } from '@backhaul/identity';
import { programPath } from '@backhaul/testkit';
import { ArtifactRow } from '../light/artifact-row.ts';
import { monotonicMs } from '../light/crowd.ts';
import { localAddressOf, proxyId, TRUST_DOMAIN } from '../light/names.ts';
import { atRest } from '../measure/at-rest.ts';
import { inTurns, type Pair } from '../measure/in-turns.ts';
import { peakMemory } from '../measure/peak-memory.ts';
import { cpuSeconds } from '../measure/process-figures.ts';
import { runCommand } from '../measure/run-command.ts';
import { nginxFiles } from '../peers/nginx-files.ts';
import type { Comparison, Figures, Workload, WorkloadOrder } from '../workload.ts';

const FULL = { bytes: 2 ** 30, receivers: [1, 20], pairs: 3 } as const;
const QUICK = { bytes: 64 * 2 ** 20, receivers: [1, 20], pairs: 1 } as const;

/** One who serves the file. */
interface Server {
  readonly pids: readonly number[];
  readonly url: string;
  readonly bytes: number;
}

interface Served {
  /** GB/s, all receivers together */
  readonly rate: number;
  readonly peakMiB: number;
  readonly cpuSeconds: number;
}

export const bulk: Workload = {
  name: 'bulk',
  title: 'A file from one MLM to 1 and to 20 receivers',
  minutes: 6,
  run,
};

async function run({ quick, say, pairs }: WorkloadOrder) {
  const size = quick ? QUICK : FULL;
  const lacking = ['nginx', 'curl'].filter((program) => programPath(program) === undefined);
  const setting = `a file of ${size.bytes / 2 ** 20} MiB, from the page cache, over plain loopback; each receiver is a curl that throws the bytes away`;
  const missing = lacking.map((program) => `${program} is not installed`);
  if (lacking.length > 0) return { setting, comparisons: [], figures: [], missing };
  const artifact = await ArtifactRow.start(size.bytes, Math.max(...size.receivers), true);
  try {
    await atRest();
    const fetching = await peakMemory(artifact.row.pids, () => artifact.offer());
    const wan = artifact.line!.bytes.down / size.bytes;
    say(`fetched by the MLM: ${wan.toFixed(4)} × the file over the line above it, ${Math.round(fetching.peakMiB)} MiB`);
    const { comparisons, served } = await compare(artifact, size, pairs ?? size.pairs, say);
    return { setting, comparisons, figures: [costs(served), wanFigures(wan, fetching.peakMiB)], missing };
  } finally {
    await artifact.stop();
  }
}

async function compare(
  artifact: ArtifactRow,
  size: typeof FULL | typeof QUICK,
  count: number,
  say: WorkloadOrder['say'],
) {
  const nginx = await nginxFiles(dirname(artifact.file.path));
  const { bytes } = size;
  const mlm: Server = { pids: artifact.row.pids, url: artifact.url, bytes };
  const theirs: Server = { pids: [nginx.pid], url: `http://127.0.0.1:${nginx.port}/artifact`, bytes };
  const served: { receivers: number; ours: Served[]; theirs: Served[] }[] = [];
  const comparisons: Comparison[] = [];
  try {
    for (const receivers of size.receivers) {
      const results = { receivers, ours: [] as Served[], theirs: [] as Served[] };
      const one = async (server: Server, into: Served[]): Promise<number> => {
        into.push(await serve(server, receivers));
        return into.at(-1)!.rate;
      };
      const told = (pair: Pair, n: number) =>
        say(`${n}/${count} ${receivers} receivers: MLM ${pair.ours.toFixed(2)}, nginx ${pair.theirs.toFixed(2)} GB/s`);
      const pairs = await inTurns(
        count,
        () => one(mlm, results.ours),
        () => one(theirs, results.theirs),
        told,
      );
      comparisons.push(comparisonOf(receivers, pairs));
      served.push(results);
    }
    return { comparisons, served };
  } finally {
    await nginx.stop();
  }
}

/** All receivers begin at one moment; the last byte of the last one ends it. */
async function serve({ pids, url, bytes }: Server, receivers: number): Promise<Served> {
  const cpuBefore = cpuSeconds(pids);
  const { result, peakMiB } = await peakMemory(pids, async () => {
    const from = monotonicMs();
    await Promise.all(Array.from({ length: receivers }, (_, at) => receive(url, at)));
    return (monotonicMs() - from) / 1000;
  });
  return { rate: (bytes * receivers) / 1e9 / result, peakMiB, cpuSeconds: cpuSeconds(pids) - cpuBefore };
}

/** The same words to both: who asks is what a plain listener of ours wants to be told. */
function receive(url: string, member: number): Promise<void> {
  const identity = `backhaul-identity: ${uriSan(identityOf(proxyId(member), TRUST_DOMAIN))}`;
  const words = ['-sS', '--fail', '--interface', localAddressOf(member), '-o', '/dev/null', '-H', identity, url];
  return runCommand('curl', words);
}

function comparisonOf(receivers: number, pairs: Pair[]): Comparison {
  return {
    ...{ what: `a file to ${receivers} receiver${receivers > 1 ? 's' : ''}`, unit: 'GB/s', pairs },
    peer: 'nginx, sendfile',
    durability: {
      ours: 'verified and synced before it is offered; who was served is stored',
      theirs: 'a file server: nothing is kept of who has it',
    },
    ...(receivers > 1 ? { aim: { better: 'more' as const, reach: 0.7, goFor: 0.9 } } : {}),
  };
}

function costs(served: readonly { receivers: number; ours: Served[]; theirs: Served[] }[]): Figures {
  const row = (name: string, receivers: number, list: Served[]) => [
    `${name}, ${receivers}`,
    Math.round(Math.max(...list.map(({ peakMiB }) => peakMiB))),
    Number(Math.max(...list.map((one) => one.cpuSeconds)).toFixed(2)),
  ];
  return {
    title: 'What serving costs (the most of all runs)',
    columns: ['server, receivers', 'MiB at most', 'CPU s for all receivers'],
    rows: served.flatMap(({ receivers, ours, theirs }) => [
      row('MLM', receivers, ours),
      row('nginx', receivers, theirs),
    ]),
  };
}

function wanFigures(wan: number, peakMiB: number): Figures {
  return {
    title: 'The fetch by the MLM',
    columns: ['bytes over the line above, of the file', 'MiB at most'],
    rows: [[Number(wan.toFixed(4)), Math.round(peakMiB)]],
  };
}
