import type { Socket } from 'node:net';
import { BackhaulError } from '@backhaul/runtime';

/** How many of each key there are now; a key without any takes no room. */
class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): number {
    const count = this.of(key) + 1;
    this.#counts.set(key, count);
    return count;
  }

  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}

/** What one address and one identity may have open at one time, and which connections an identity has used. */
export class ConnectionLimits {
  readonly #limits: { readonly requestsPerPeer: number; readonly connectionsPerAddress: number };
  readonly #requests = new Counts();
  readonly #connections = new Counts();
  readonly #sockets = new Map<string, Set<Socket>>();

  constructor(limits: { requestsPerPeer: number; connectionsPerAddress: number }) {
    this.#limits = limits;
  }

  /** Before the handshake: one too many is destroyed. */
  connected(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    socket.once('close', () => this.#connections.remove(address));
    if (this.#connections.add(address) > this.#limits.connectionsPerAddress) socket.destroy();
  }

  /** A request of this identity begins; the function given ends it. Throws BH-E-BUSY. */
  enter(id: string, socket: Socket): () => void {
    const count = this.#requests.of(id);
    if (count >= this.#limits.requestsPerPeer) {
      throw new BackhaulError('BH-E-BUSY', { detail: `${count} requests at one time`, retryAfterMs: 1000 });
    }
    this.#requests.add(id);
    this.#remember(id, socket);
    return () => this.#requests.remove(id);
  }

  /** Ends every connection over which this identity has spoken. */
  cut(id: string): void {
    for (const socket of this.#sockets.get(id) ?? []) socket.destroy();
  }

  #remember(id: string, socket: Socket): void {
    const sockets = this.#sockets.get(id) ?? new Set<Socket>();
    if (sockets.has(socket)) return;
    this.#sockets.set(id, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(id) === sockets) this.#sockets.delete(id);
    });
  }
}
