import { temporaryDirectory } from '@backhaul/testkit';
import type { Done, Order } from '../clients/client-orders.ts';
import { ClientProcess } from '../clients/client-process.ts';
import type { Peer, RunningPeer } from '../peers/peer.ts';
import type { Line } from './line.ts';

/** Past this a run has hung. */
const RUN_LIMIT_MS = 10 * 60_000;

interface Parts {
  readonly running: RunningPeer;
  readonly producer: ClientProcess;
  readonly consumer: ClientProcess;
  readonly remove: () => Promise<void>;
}

/** A peer with its producer and its final consumer. */
export class PeerLine implements Line {
  readonly title: string;
  readonly version: string;
  readonly durability: string;
  readonly processes: Readonly<Record<string, number>>;
  readonly stores: readonly number[];
  readonly #parts: Parts;
  #next = 0;

  private constructor({ title, durability }: Peer, parts: Parts) {
    const { running, producer, consumer } = parts;
    this.title = title;
    this.durability = durability;
    this.version = running.version;
    this.stores = Object.values(running.processes);
    this.processes = { ...running.processes, producer: producer.pid, consumer: consumer.pid };
    this.#parts = parts;
  }

  static async start(peer: Peer): Promise<PeerLine> {
    const { path, remove } = await temporaryDirectory('bh-bench-');
    const stops: (() => Promise<void>)[] = [remove];
    try {
      const running = await peer.start(path);
      stops.unshift(() => running.stop());
      const consumer = await ClientProcess.start('consume', running.client);
      stops.unshift(() => consumer.stop());
      const producer = await ClientProcess.start('produce', running.client);
      return new PeerLine(peer, { running, producer, consumer, remove });
    } catch (error) {
      for (const stop of stops) await stop();
      throw error;
    }
  }

  async run(messages: number): Promise<number> {
    const { sent, arrived } = await this.#carryOut({ from: this.#take(messages), count: messages });
    return messages / ((arrived.endedAt - sent.startedAt) / 1000);
  }

  async latencies(messages: number, perSecond: number): Promise<readonly number[]> {
    const { sent, arrived } = await this.#carryOut({ from: this.#take(messages), count: messages, perSecond });
    return arrived.times.map((at, index) => at - sent.times[index]!);
  }

  async stop(): Promise<void> {
    const { running, producer, consumer, remove } = this.#parts;
    await Promise.all([producer.stop(), consumer.stop()]);
    await running.stop();
    await remove();
  }

  async #carryOut(order: Order): Promise<{ sent: Done; arrived: Done }> {
    const { producer, consumer } = this.#parts;
    const arriving = consumer.carryOut(order);
    const both = Promise.all([producer.carryOut(order), arriving]);
    const [sent, arrived] = await inTime(both, `${this.title}: ${order.count} messages`);
    return { sent, arrived };
  }

  #take(messages: number): number {
    const from = this.#next;
    this.#next += messages;
    return from;
  }
}

async function inTime<T>(wanted: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), RUN_LIMIT_MS);
  });
  return Promise.race([wanted, late]).finally(() => clearTimeout(timer));
}
