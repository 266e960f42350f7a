import { connectAsync, type IClientOptions } from 'mqtt';
import type { PeerClient } from '../peers/peer.ts';

const options = (clientId: string): IClientOptions => ({ clientId, clean: false, reconnectPeriod: 0, keepalive: 0 });

export const mosquittoClient: PeerClient = {
  window: 1_000,
  async produce(address) {
    const client = await connectAsync(address.in, options('producer'));
    return {
      send: (message) =>
        new Promise((resolve, reject) => {
          client.publish('up', message as Buffer, { qos: 1 }, (error) => (error ? reject(error) : resolve(undefined)));
        }),
    };
  },
  async consume(address, arrived) {
    const client = await connectAsync(address.out, options('consumer'));
    client.on('message', (_topic, message) => arrived(message));
    await client.subscribeAsync('up', { qos: 1 });
  },
};
