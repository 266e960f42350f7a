import { mosquitto } from './mosquitto.ts';
import { nats, natsAlways } from './nats.ts';
import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { rabbitmqClassic, rabbitmqQuorum } from './rabbitmq.ts';

export const ALL_PEERS: readonly Peer[] = [natsAlways, rabbitmqClassic, nats, mosquitto, nginx, rabbitmqQuorum];

/** What this machine lacks, each with the reason. */
export function whyMissing(peers: readonly Peer[] = ALL_PEERS): string[] {
  return peers.flatMap((peer) => {
    const why = peer.missing();
    return why === undefined ? [] : [`${peer.title}: ${why}`];
  });
}
