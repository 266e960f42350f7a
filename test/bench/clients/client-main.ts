// One side of a peer's client, in a process of its own: `produce` or `consume`, and the address as JSON.
import type { ClientAddress } from '../peers/peer.ts';
import { CLIENTS } from './all-clients.ts';
import { Arrivals } from './arrivals.ts';
import type { Answer, Done, Order } from './client-orders.ts';
import { produce } from './produce.ts';

const [side, words] = process.argv.slice(2);
const address = JSON.parse(words ?? '') as ClientAddress;
const client = await CLIENTS[address.kind]();

if (side === 'produce') {
  const producer = await client.produce(address);
  answerEach((order) => produce(producer, client.window, order));
} else {
  const arrivals = new Arrivals();
  await client.consume(address, (message) => arrivals.arrived(message));
  answerEach((order) => arrivals.expect(order));
}

process.once('disconnect', () => process.exit());

function answerEach(carryOut: (order: Order) => Promise<Done>): void {
  process.on('message', async (order: Order) => tell(await carryOut(order)));
  tell({ ready: true });
}

function tell(answer: Answer): void {
  process.send!(answer);
}
