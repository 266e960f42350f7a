import { connect, createServer, type Server, type Socket } from 'node:net';

/** What goes wrong on the way, per direction; changes take effect at once, on open connections too. */
export interface Faults {
  /** ms that every piece of data is late, in each direction */
  delayMs: number;
  /** nothing passes; connections stay open */
  stalled: boolean;
  /** new connections are reset */
  refusing: boolean;
  /** `up`: towards the server. The connection is reset when this many bytes have passed since `cutAfter` was set. */
  cutAfter: { direction: 'up' | 'down'; bytes: number } | undefined;
  /** The request passes; its answer is swallowed, and the connection is reset when it would have begun. */
  dropReply: boolean;
}

/** A TCP relay between a client and a server of a test, that can be told to misbehave. */
export class FaultProxy implements AsyncDisposable {
  readonly faults: Faults = { delayMs: 0, stalled: false, refusing: false, cutAfter: undefined, dropReply: false };
  /** payload bytes passed on */
  readonly bytes = { up: 0, down: 0 };
  /** replies swallowed, connections cut */
  readonly hits = { dropped: 0, cut: 0 };
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
  }

  /** `target`: `127.0.0.1:8443` or a URL. */
  static async start(target: string): Promise<FaultProxy> {
    const { hostname, port } = new URL(target.includes('://') ? target : `tcp://${target}`);
    const proxy = new FaultProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** The given URL, through this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${this.port}`;
    return changed.toString().replace(/\/$/, '');
  }

  /** Sends RST on everything that is open. */
  reset(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async stop(): Promise<void> {
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #join(client: Socket): void {
    if (this.faults.refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('error', end);
    for (const direction of ['up', 'down'] as const) {
      const [from, to] = direction === 'up' ? [client, server] : [server, client];
      let passing: Promise<void> = Promise.resolve();
      from.on('data', (data) => {
        passing = passing.then(() => this.#pass(direction, data, pair));
      });
      from.on('end', () => void passing.then(() => to.end()));
      from.on('close', () => void passing.then(end));
    }
  }

  async #pass(direction: 'up' | 'down', data: Buffer, pair: [Socket, Socket]): Promise<void> {
    const [from, to] = direction === 'up' ? pair : [pair[1], pair[0]];
    from.pause();
    if (this.faults.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.faults.delayMs));
    while (this.faults.stalled && !from.destroyed) await new Promise((resolve) => setTimeout(resolve, 10));
    if (direction === 'down' && this.faults.dropReply && isReply(data)) return this.#cut(pair, 'dropped');
    const { cutAfter } = this.faults;
    if (cutAfter?.direction === direction) {
      if (data.length >= cutAfter.bytes) {
        this.faults.cutAfter = undefined;
        if (!to.destroyed) to.write(data.subarray(0, cutAfter.bytes));
        this.bytes[direction] += cutAfter.bytes;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return this.#cut(pair, 'cut');
      }
      cutAfter.bytes -= data.length;
    }
    this.bytes[direction] += data.length;
    if (!to.destroyed && !to.write(data))
      await new Promise((resolve) => to.once('drain', resolve).once('close', resolve));
    from.resume();
  }

  #cut(pair: [Socket, Socket], why: 'dropped' | 'cut'): void {
    this.hits[why]++;
    for (const socket of pair) socket.resetAndDestroy();
  }
}

/** Plain HTTP, or TLS application data (record type 23) big enough to be one: a handshake passes. */
function isReply(data: Buffer): boolean {
  return data.subarray(0, 5).toString('latin1') === 'HTTP/' || (data[0] === 23 && data.length > 150);
}
