import type { ClientAddress, PeerClient } from '../peers/peer.ts';

/** Loaded only in the process that uses it: a library that is not needed costs nothing there. */
export const CLIENTS: Readonly<Record<ClientAddress['kind'], () => Promise<PeerClient>>> = {
  nats: async () => (await import('./nats-client.ts')).natsClient,
  rabbitmq: async () => (await import('./rabbitmq-client.ts')).rabbitmqClient,
  mosquitto: async () => (await import('./mosquitto-client.ts')).mosquittoClient,
  nginx: async () => (await import('./nginx-client.ts')).nginxClient,
};
