import { createServer, type Server } from 'node:https';
import type { TlsOptions } from 'node:tls';
import { boundAddress, boundPerAddress, type Component, closeServer, type Logger, listen } from '@backhaul/runtime';
import type { Express } from 'express';

const MAX_CONNECTIONS = 256;
const CONNECTIONS_PER_ADDRESS = 64;
const DRAIN_MS = 5_000;

export interface HttpsListenerOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Asked at start and after the certificate was renewed. */
  readonly tls: () => TlsOptions;
  readonly app: Express;
  readonly logger: Logger;
}

/** An express app behind TLS, with bounded connections and times. */
export class HttpsListener implements Component {
  readonly name: string;
  readonly #options: HttpsListenerOptions;
  #server: Server | undefined;

  constructor(options: HttpsListenerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** `https://127.0.0.1:9443`; empty until started. */
  get url(): string {
    return this.#server === undefined ? '' : `https://${boundAddress(this.#server)}`;
  }

  async start(): Promise<void> {
    const { host, port, tls, app, logger } = this.#options;
    const server = createServer({ ...tls(), maxHeaderSize: 16_384 }, app);
    server.headersTimeout = 10_000;
    server.requestTimeout = 30_000;
    server.maxConnections = MAX_CONNECTIONS;
    boundPerAddress(server, CONNECTIONS_PER_ADDRESS);
    server.on('tlsClientError', (error) => logger.debug({ listener: this.name, error }, 'TLS handshake failed'));
    server.on('clientError', (_error, socket) => socket.destroy());
    await listen(server, { host, port });
    this.#server = server;
  }

  /** New connections use the certificate that `tls` gives now. */
  renewTls(): void {
    this.#server?.setSecureContext(this.#options.tls());
  }

  async stop(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server, DRAIN_MS);
    this.#server = undefined;
  }
}
