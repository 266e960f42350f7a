import { BackhaulLine } from '../lines/backhaul-line.ts';
import type { Line } from '../lines/line.ts';
import { PeerLine } from '../lines/peer-line.ts';
import { inTurns, type Pair, quantile } from '../measure/in-turns.ts';
import { ALL_PEERS, whyMissing } from '../peers/all-peers.ts';
import type { Peer } from '../peers/peer.ts';
import { rabbitmqClassic, rabbitmqQuorum } from '../peers/rabbitmq.ts';
import type { Comparison, Workload, WorkloadOrder } from '../workload.ts';
import { withLines } from './with-lines.ts';

const PAIRS = 5;
const PER_SECOND = 200;
const MESSAGES = 2_000;
const QUICK_MESSAGES = 400;
const WARM_UP = 1_000;

/** Ms; of one run. */
interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

type Aims = { readonly [Name in keyof Quantiles]: Comparison['aim'] };

const less = (reach: number, goFor: number): Comparison['aim'] => ({ better: 'less', reach, goFor });
const RABBITMQ_AIMS: Aims = { p50: less(2.5, 1.5), p99: less(4, 1.5) };

/** Of RabbitMQ's two forms the quicker one: a pair takes 20 seconds, however fast they are. */
const PEERS: readonly Peer[] = ALL_PEERS.filter((peer) => peer !== rabbitmqQuorum);

interface Match {
  readonly against: string;
  readonly aims: Aims | undefined;
  readonly plain: boolean;
  readonly theirs: () => Promise<Line>;
}

export const latency: Workload = {
  name: 'latency',
  title: `Latency at ${PER_SECOND} messages a second, from handing in to the final consumer`,
  minutes: 14,
  async run(order) {
    const missing = whyMissing(PEERS);
    const comparisons: Comparison[] = [];
    for (const match of matches()) {
      order.say(`against ${match.against} …`);
      try {
        comparisons.push(...(await play(match, order)));
      } catch (error) {
        missing.push(`${match.against}: ${(error as Error).message}`);
      }
    }
    return { setting: SETTING, comparisons, figures: [], missing };
  },
};

const SETTING = `${MESSAGES} messages a run, one a call, paced by the clock and not by answers. Backhaul: from before the integrator's POST to the moment after the application server's commit, which a service module more in that server notes (the clock is the machine's monotonic one; the note itself travels later). A peer: from before its client's publish to the callback in the consumer's process.`;

function matches(): Match[] {
  const peers = PEERS.filter((peer) => peer.missing() === undefined).map((peer) => ({
    against: peer.title,
    aims: peer === rabbitmqClassic ? RABBITMQ_AIMS : undefined,
    plain: true,
    theirs: () => PeerLine.start(peer),
  }));
  const own = { against: 'our own plain', aims: undefined, plain: false };
  return [...peers, { ...own, theirs: () => BackhaulLine.start({ plain: true }) }];
}

async function play({ aims, plain, theirs }: Match, order: WorkloadOrder): Promise<Comparison[]> {
  return withLines([() => BackhaulLine.start({ plain }), theirs], async (our, their) => {
    const pairs = await turns(our, their, order);
    return (['p50', 'p99'] as const).map((name) => ({
      what: `${name}${plain ? '' : ' of our mutual TLS'}`,
      ...{ unit: 'ms', peer: `${their.title} (${their.version})` },
      durability: { ours: our.durability, theirs: their.durability },
      pairs: pairs.map((pair) => ({ ours: pair.ours[name], theirs: pair.theirs[name] })),
      ...(aims?.[name] === undefined ? {} : { aim: aims[name] }),
    }));
  });
}

async function turns(our: Line, their: Line, { pairs = PAIRS, quick, say }: WorkloadOrder): Promise<Pair<Quantiles>[]> {
  for (const line of [our, their]) await line.latencies(WARM_UP, PER_SECOND);
  const run = (line: Line) => async () =>
    quantiles(await line.latencies(quick ? QUICK_MESSAGES : MESSAGES, PER_SECOND));
  return inTurns(quick ? 1 : pairs, run(our), run(their), ({ ours, theirs }, n) =>
    say(`  pair ${n}: p50 ${ms(ours.p50)} against ${ms(theirs.p50)}, p99 ${ms(ours.p99)} against ${ms(theirs.p99)}`),
  );
}

function quantiles(latencies: readonly number[]): Quantiles {
  const sorted = latencies.toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
