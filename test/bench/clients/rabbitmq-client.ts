import { connect } from 'amqplib';
import type { PeerClient } from '../peers/peer.ts';
import { QUEUE } from '../peers/rabbitmq-shovel.ts';

const WINDOW = 1_000;
const ACK_EVERY = 64;

export const rabbitmqClient: PeerClient = {
  window: WINDOW,
  async produce(address) {
    const channel = await (await connect(withoutType(address.in))).createConfirmChannel();
    await channel.assertQueue(QUEUE, queueOptions(address.in));
    return {
      send: (message) =>
        new Promise((resolve, reject) => {
          channel.sendToQueue(QUEUE, message as Buffer, { persistent: true }, (error) =>
            error ? reject(error) : resolve(undefined),
          );
        }),
    };
  },
  async consume(address, arrived) {
    const channel = await (await connect(withoutType(address.out))).createChannel();
    await channel.assertQueue(QUEUE, queueOptions(address.out));
    await channel.prefetch(WINDOW);
    let count = 0;
    await channel.consume(QUEUE, (message) => {
      if (message === null) return;
      arrived(message.content);
      if (++count % ACK_EVERY === 0) channel.ack(message, true);
    });
  },
};

function withoutType(url: string): string {
  return url.split('?')[0]!;
}

function queueOptions(url: string): { durable: true; arguments: Record<string, string> } {
  return { durable: true, arguments: { 'x-queue-type': new URL(url).searchParams.get('type') ?? 'classic' } };
}
