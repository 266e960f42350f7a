import { BackhaulLine, type BackhaulLineOptions } from '../lines/backhaul-line.ts';
import type { Line } from '../lines/line.ts';
import { PeerLine } from '../lines/peer-line.ts';
import type { Peer } from '../peers/peer.ts';
import type { Comparison } from '../workload.ts';
import type { Volume } from './compare-lines.ts';

const BATCH = 256;
const BATCHED: Volume = { ours: 100_000, theirs: 100_000, warmUp: 10_000, traced: 10_000 };
/** One message a request takes us a multiple of the time. */
const SINGLE: Volume = { ours: 20_000, theirs: 20_000, warmUp: 5_000, traced: 2_000 };
const QUICK: Volume = { ours: 2_000, theirs: 2_000, warmUp: 500, traced: 500 };

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
export interface Match {
  readonly what: string;
  readonly against: string;
  readonly aim: Aim | undefined;
  readonly volume: Volume;
  readonly batch: { readonly ours: number; readonly theirs: number };
  readonly ours: BackhaulLineOptions;
  readonly theirs: () => Promise<Line>;
}

/** Those with an aim come first: where time runs out, the others are left. */
export function throughputMatches(peers: readonly Peer[], quick: boolean): Match[] {
  const volume = (full: Volume) => (quick ? QUICK : full);
  const against = (peer: Peer, aim: Aim | undefined, how: Omit<BackhaulLineOptions, 'plain'>, what: string): Match => {
    const { batch = BATCH, request = batch } = how;
    const [size, runs] = [{ ours: request, theirs: 1 }, volume(request === 1 ? SINGLE : BATCHED)];
    const theirs = () => PeerLine.start(peer);
    return { what, against: peer.title, aim, batch: size, volume: runs, ours: { plain: true, ...how }, theirs };
  };
  const batched = peers.map((peer) => against(peer, AIMS[peer.name], {}, `batches up to ${BATCH}`));
  const single = peers
    .filter(({ name }) => name in SINGLE_AIMS)
    .map((peer) =>
      peer.name === 'nginx'
        ? against(peer, SINGLE_AIMS[peer.name], { batch: 1 }, 'one message a request, on every hop')
        : against(peer, SINGLE_AIMS[peer.name], { request: 1 }, 'one message a request of the producer'),
    );
  const tls: Match = {
    what: `our mutual TLS, batches up to ${BATCH}`,
    against: 'our own plain',
    ...{ aim: TLS_AIM, batch: { ours: BATCH, theirs: BATCH }, volume: volume(BATCHED) },
    ours: { plain: false },
    theirs: () => BackhaulLine.start({ plain: true }),
  };
  const [aimed, others] = [batched.filter(({ aim }) => aim), batched.filter(({ aim }) => !aim)];
  return [...aimed, tls, ...single, ...others];
}
