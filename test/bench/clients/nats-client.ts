import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { PeerClient } from '../peers/peer.ts';

const ACK_EVERY = 64;

export const natsClient: PeerClient = {
  window: 1_000,
  async produce(address) {
    const js = jetstream(await connect({ servers: address.in }));
    return { send: (message) => js.publish('up', message) };
  },
  async consume(address, arrived) {
    const js = jetstream(await connect({ servers: address.out }));
    const consumer = await js.consumers.get('ALL', 'final');
    let count = 0;
    await consumer.consume({
      max_messages: 5_000,
      callback: (message) => {
        arrived(message.data);
        if (++count % ACK_EVERY === 0) message.ack();
      },
    });
  },
};
