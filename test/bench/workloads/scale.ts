import { type CurvePoint, curvePoint } from '../light/connected-curve.ts';
import { type TierCosts, tierCosts } from '../light/tier-costs.ts';
import { allowOpenFiles } from '../measure/open-files.ts';
import type { Figures, Workload, WorkloadOrder } from '../workload.ts';

/** The windows hold two polls of every proxy, which asks anew every 25 s. */
const FULL = { proxies: [10, 100, 1_000, 5_000], windowMs: 55_000, settleMs: 5_000, singles: 1_000, batches: 32 };
const QUICK = { proxies: [10, 100], windowMs: 5_000, settleMs: 1_000, singles: 100, batches: 4 };
/** proxy, MLMs, what stands above them */
const TIERS = [3, 5];
/** a proxy has a connection for its poll and one for what it sends */
const FILES_PER_PROXY = 2;
const OTHER_FILES = 1_000;

export const scale: Workload = {
  name: 'scale',
  title: 'Connected proxies on one MLM, and more tiers',
  minutes: 11,
  run,
};

async function run({ quick, say }: WorkloadOrder) {
  const size = quick ? QUICK : FULL;
  const points: CurvePoint[] = [];
  const missing: string[] = [];
  for (const proxies of size.proxies) {
    if (!allowOpenFiles(proxies * FILES_PER_PROXY + OTHER_FILES)) {
      missing.push(`${proxies} proxies: not enough files may be open here`);
      continue;
    }
    const point = await curvePoint(proxies, size.windowMs, size.settleMs);
    points.push(point);
    say(rowOf(point).join(' · '));
  }
  const tiers: TierCosts[] = [];
  for (const count of TIERS) {
    tiers.push(await tierCosts(count - 2, size.singles, size.batches));
    say(tierRow(tiers.at(-1)!).join(' · '));
  }
  return {
    setting: `light clients with real sockets over plain loopback: a held poll each, asked anew every 25 s; idle, then one message of about 1 KB a minute each; ${size.windowMs / 1000} s each. Aim for 5,000: at most 512 MiB and 25 % of a core idle`,
    comparisons: [],
    figures: [curve(points), tierFigures(tiers)],
    missing,
  };
}

function curve(points: readonly CurvePoint[]): Figures {
  return {
    title: 'One MLM and its connected proxies',
    columns: [
      ...[
        'proxies',
        'MiB before they call',
        'MiB idle',
        'KiB a proxy',
        '% of a core idle',
        'idle CPU ms a proxy and minute',
      ],
      ...['MiB at a message a minute', '% of a core', 'CPU µs a message'],
    ],
    rows: points.map(rowOf),
  };
}

function rowOf({ proxies, aloneMiB, idle, talking }: CurvePoint): number[] {
  const micros = ((talking.core - idle.core) * talking.seconds * 1e6) / Math.max(1, talking.messages);
  return [
    proxies,
    Math.round(aloneMiB),
    Math.round(idle.residentMiB),
    round(((idle.residentMiB - aloneMiB) * 1024) / proxies, 1),
    round(idle.core * 100, 2),
    round((idle.core * 60_000) / proxies, 2),
    Math.round(talking.residentMiB),
    round(talking.core * 100, 2),
    Math.round(micros),
  ];
}

function tierFigures(tiers: readonly TierCosts[]): Figures {
  const [fewer, more] = tiers;
  const added = (of: (costs: TierCosts) => number) => (of(more!) - of(fewer!)) / (more!.mlms - fewer!.mlms);
  return {
    title: 'Tiers: proxy, MLMs, what stands above them',
    columns: ['tiers', 'MLM CPU µs a message, envelopes of 256', '… alone', 'p50 alone, ms', 'p99 alone, ms'],
    rows: [
      ...tiers.map(tierRow),
      [
        'each added tier',
        ...[added((one) => one.batchedCpuMicros), added((one) => one.singleCpuMicros)].map((one) => round(one, 1)),
        ...[added((one) => one.p50), added((one) => one.p99)].map((one) => round(one, 2)),
      ],
    ],
  };
}

function tierRow({ mlms, batchedCpuMicros, singleCpuMicros, p50, p99 }: TierCosts): number[] {
  return [mlms + 2, round(batchedCpuMicros, 1), round(singleCpuMicros, 1), round(p50, 2), round(p99, 2)];
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
