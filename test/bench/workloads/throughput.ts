import { BackhaulLine, type BackhaulLineOptions } from '../lines/backhaul-line.ts';
import type { Line } from '../lines/line.ts';
import { PeerLine } from '../lines/peer-line.ts';
import { ALL_PEERS, whyMissing } from '../peers/all-peers.ts';
import type { Peer } from '../peers/peer.ts';
import type { Comparison, Workload, WorkloadOrder } from '../workload.ts';
import { compareLines, type LineRuns, PROCESS_COLUMNS, type ProcessRow } from './compare-lines.ts';
import { withLines } from './with-lines.ts';

const BATCH = 256;
const PAIRS = 5;
const BATCHED: Volume = { messages: 100_000, warmUp: 20_000, traced: 10_000 };
/** A sync a message is slow, and one message a request, too: fewer, or a workload would take half an hour. */
const SINGLE: Volume = { messages: 20_000, warmUp: 4_000, traced: 2_000 };
const QUICK: Volume = { messages: 5_000, warmUp: 1_000, traced: 1_000 };

type Volume = Pick<LineRuns, 'messages' | 'warmUp' | 'traced'>;
type Aim = NonNullable<Comparison['aim']>;

const more = (reach: number, goFor: number): Aim => ({ better: 'more', reach, goFor });

/** By name of the peer: batches up to 256 against it, and one message a request. */
const AIMS: Readonly<Record<string, Aim>> = {
  'nats-always': more(5, 8),
  rabbitmq: more(2, 3),
  'rabbitmq-quorum': more(2, 3),
  nats: more(1, 1.5),
  mosquitto: more(0.5, 1),
};
const SINGLE_AIMS: Readonly<Record<string, Aim | undefined>> = { rabbitmq: more(0.7, 1), nginx: undefined };
const TLS_AIM = more(0.6, 0.8);

/** Two systems that take turns. */
interface Match {
  readonly what: string;
  readonly against: string;
  readonly aim: Aim | undefined;
  readonly volume: Volume;
  readonly batch: { readonly ours: number; readonly theirs: number };
  readonly ours: BackhaulLineOptions;
  readonly theirs: () => Promise<Line>;
}

export const throughput: Workload = {
  name: 'throughput',
  title: 'Throughput: two store-and-forward hops, from the producer to the final consumer',
  minutes: 14,
  async run(order) {
    const [here, missing] = [ALL_PEERS.filter((peer) => peer.missing() === undefined), whyMissing()];
    const comparisons: Comparison[] = [];
    const processes: ProcessRow[] = [];
    for (const match of matches(here, order)) {
      const told = `${match.what}, against ${match.against}`;
      order.say(`${told} …`);
      try {
        const result = await play(match, order);
        comparisons.push(result.comparison);
        processes.push(...result.processes);
      } catch (error) {
        missing.push(`${told}: ${(error as Error).message}`);
      }
    }
    return {
      setting: setting(here),
      comparisons,
      figures: [{ title: 'Processor time and memory over all runs', columns: PROCESS_COLUMNS, rows: processes }],
      missing,
    };
  },
};

function matches(peers: readonly Peer[], { quick }: WorkloadOrder): Match[] {
  const volume = (full: Volume) => (quick ? QUICK : full);
  const against = (peer: Peer, aim: Aim | undefined, batch: number): Match => ({
    what: batch === 1 ? 'one message a request' : `batches up to ${batch}`,
    against: peer.title,
    ...{ aim, batch: { ours: batch, theirs: 1 }, volume: volume(batch === 1 ? SINGLE : BATCHED) },
    ours: { plain: true, batch },
    theirs: () => PeerLine.start(peer),
  });
  const batched = peers.map((peer) => against(peer, AIMS[peer.name], BATCH));
  const single = peers
    .filter(({ name }) => name in SINGLE_AIMS)
    .map((peer) => against(peer, SINGLE_AIMS[peer.name], 1));
  const tls: Match = {
    what: `our mutual TLS, batches up to ${BATCH}`,
    against: 'our own plain',
    ...{ aim: TLS_AIM, batch: { ours: BATCH, theirs: BATCH }, volume: volume(BATCHED) },
    ours: { plain: false },
    theirs: () => BackhaulLine.start({ plain: true }),
  };
  return quick ? batched : [...batched, ...single, tls];
}

async function play(match: Match, { pairs = PAIRS, quick, say }: WorkloadOrder) {
  const { what, aim, batch, volume, ours, theirs } = match;
  return withLines([() => BackhaulLine.start(ours), theirs], async (our, their) => {
    const runs = { ...volume, pairs: quick ? 1 : pairs, say };
    const { pairs: measured, syncsPerMessage, processes } = await compareLines(our, their, runs);
    const comparison: Comparison = {
      ...{ what, unit: 'messages/s', peer: `${their.title} (${their.version})`, batch, syncsPerMessage },
      durability: { ours: our.durability, theirs: their.durability },
      pairs: measured,
      ...(aim === undefined ? {} : { aim }),
    };
    return { comparison, processes };
  });
}

function setting(peers: readonly Peer[]): string {
  const settings = peers.map(({ title, settings }) => `${title}: ${settings}.`);
  return [
    'A peer carries 1,000 bytes a message; ours is a body of 500 characters and its header, 1,430 bytes on the second hop with its framing. Each is counted once at the final consumer: for Backhaul that is the application server, which has them in its database by then; for a peer a client process that acknowledges.',
    'Backhaul: one integrator hands in over the Unix socket of a proxy, four calls at once (64 with one message a request); nothing is compressed.',
    ...settings,
  ].join(' ');
}
