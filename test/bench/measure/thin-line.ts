import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { TokenBucket } from '@backhaul/runtime';

/** What passes at one time: a packet of Ethernet. */
export const PACKET_BYTES = 1_460;

/**
 * A TCP relay that is a thin line: one token bucket for both directions together. Every connection has one packet in the queue
 * at most and packets leave in the order in which they came to it, so connections take turns, as a fair router has it.
 */
export class ThinLine {
  /** payload bytes carried */
  readonly bytes = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #bucket: TokenBucket | undefined;
  #last: Promise<void> = Promise.resolve();

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client, target));
  }

  /** To `https://127.0.0.1:8443`; as wide as the machine until it is narrowed. */
  static async start(target: string): Promise<ThinLine> {
    const { hostname, port } = new URL(target);
    const line = new ThinLine({ host: hostname, port: Number(port) });
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  /** The given URL, through this line. */
  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return changed.toString().replace(/\/$/, '');
  }

  /** Bytes a second from now on, both directions together. */
  narrow(bytesPerSecond: number): void {
    this.#bucket = new TokenBucket(bytesPerSecond, 0); // no burst: every packet takes its time on the line
  }

  widen(): void {
    this.#bucket = undefined;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, target: { host: string; port: number }): void {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const end = (): void => {
      for (const socket of [client, server]) socket.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', end).on('close', () => this.#sockets.delete(socket));
    }
    void this.#carryAll('up', client, server).catch(end);
    void this.#carryAll('down', server, client).catch(end);
  }

  async #carryAll(direction: 'up' | 'down', from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (const packet of this.#bucket === undefined ? [chunk] : packetsOf(chunk)) {
        await this.#turn(packet.length);
        this.bytes[direction] += packet.length;
        if (!to.write(packet)) await drained(to);
      }
    }
    to.end();
  }

  /** Resolves when the packet has passed. */
  #turn(bytes: number): Promise<void> {
    if (this.#bucket === undefined) return Promise.resolve();
    return (this.#last = this.#last.then(() => this.#pass(bytes)));
  }

  async #pass(bytes: number): Promise<void> {
    const waitMs = this.#bucket?.take(bytes, performance.now()) ?? 0;
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Resolves too when it is closed: what is written then goes nowhere. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      socket.off('drain', end).off('close', end);
      resolve();
    };
    if (socket.destroyed) resolve();
    else socket.on('drain', end).on('close', end);
  });
}

export function packetsOf(chunk: Buffer): Buffer[] {
  const count = Math.ceil(chunk.length / PACKET_BYTES);
  return Array.from({ length: count }, (_, at) => chunk.subarray(at * PACKET_BYTES, (at + 1) * PACKET_BYTES));
}
