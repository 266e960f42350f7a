import { steadyMs } from '../measure/steady-clock.ts';
import type { Producer } from '../peers/peer.ts';
import { type Done, numberedMessage, type Order } from './client-orders.ts';

/** Hands the messages in: a window of them under way, or so many a second. */
export function produce(producer: Producer, window: number, order: Order): Promise<Done> {
  return order.perSecond === undefined ? inWindow(producer, window, order) : paced(producer, order, order.perSecond);
}

function inWindow(producer: Producer, window: number, { from, count }: Order): Promise<Done> {
  const startedAt = steadyMs();
  let [next, underWay] = [0, 0];
  return new Promise((resolve, reject) => {
    const acknowledged = () => {
      underWay -= 1;
      if (next === count && underWay === 0) resolve({ startedAt, endedAt: steadyMs(), times: [] });
      else fill();
    };
    const fill = () => {
      for (; next < count && underWay < window; next += 1) {
        underWay += 1;
        producer.send(numberedMessage(from + next)).then(acknowledged, reject);
      }
    };
    fill();
  });
}

async function paced(producer: Producer, { from, count }: Order, perSecond: number): Promise<Done> {
  const startedAt = steadyMs();
  const times: number[] = [];
  const sent: Promise<unknown>[] = [];
  for (let n = 0; n < count; n += 1) {
    const early = startedAt + (n * 1000) / perSecond - steadyMs();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    times.push(steadyMs());
    sent.push(producer.send(numberedMessage(from + n)));
  }
  await Promise.all(sent);
  return { startedAt, endedAt: steadyMs(), times };
}
