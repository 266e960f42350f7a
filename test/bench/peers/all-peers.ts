import { mosquitto } from './mosquitto.ts';
import { nats, natsAlways } from './nats.ts';
import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { rabbitmqClassic, rabbitmqQuorum } from './rabbitmq.ts';

export const ALL_PEERS: readonly Peer[] = [natsAlways, nats, rabbitmqClassic, rabbitmqQuorum, mosquitto, nginx];
