import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { serverOnlyTlsOptions, type TlsMaterial } from '@backhaul/identity';
import { boundAddress, boundPerAddress, type Component, type Logger, listen } from '@backhaul/runtime';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { NOTHING } from '../store/scope.ts';
import { problemHandler } from './problem.ts';

/** What is under way at a stop may take this long. */
const DRAIN_MS = 5_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** An upload may take a while; a slow one shows in the byte count, not here. */
const REQUEST_TIMEOUT_MS = 3_600_000;
/** For the body of somebody who has not said who he is [T-A7]. */
const STRANGER_TIMEOUT_MS = 10_000;
const CONNECTIONS = 512;
const CONNECTIONS_PER_ADDRESS = 128;

export interface StaffListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: () => TlsMaterial;
  readonly routers: readonly (readonly [path: string, handler: RequestHandler])[];
  readonly after: (ms: number, action: () => void) => { cancel(): void };
  readonly logger: Logger;
}

/** Staff API and portal, over TLS; who asks is settled by the routers. */
export class StaffListener implements Component {
  readonly name = 'staff listener';
  readonly #options: StaffListenerOptions;
  #server: Server | undefined;

  constructor(options: StaffListenerOptions) {
    this.#options = options;
  }

  /** `https://127.0.0.1:8443`; empty until started. */
  get url(): string {
    const address = this.#server ? boundAddress(this.#server) : '';
    return address === '' ? '' : `https://${address}`;
  }

  async start(): Promise<void> {
    const { host, port, tls, logger } = this.#options;
    const server = createServer(serverOnlyTlsOptions(tls()), staffApp(this.#options));
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.maxConnections = CONNECTIONS;
    boundPerAddress(server, CONNECTIONS_PER_ADDRESS);
    server.on('tlsClientError', (_error, socket: Socket) => socket.destroy());
    server.on('connect', (_request, socket) => socket.destroy());
    await listen(server, { host, port });
    this.#server = server;
    logger.info({ url: this.url }, 'staff listener started');
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const timer = this.#options.after(DRAIN_MS, () => server.closeAllConnections());
    await closed;
    timer.cancel();
  }
}

/** The express application: headers, routers, refusals. */
export function staffApp({
  routers,
  logger,
  after,
}: Pick<StaffListenerOptions, 'routers' | 'logger' | 'after'>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.set('strict routing', true);
  app.set('case sensitive routing', true);
  app.use(hurryStrangers(after));
  app.use(securityHeaders());
  for (const [path, router] of routers) app.use(path, router);
  app.use(problemHandler(logger));
  return app;
}

/** Only an upload may take its time, and the API reads none before it knows who sends it. */
function hurryStrangers(after: StaffListenerOptions['after']): RequestHandler {
  return (request, response, next) => {
    const timer = after(STRANGER_TIMEOUT_MS, () => {
      const scope = response.locals['scope'] ?? NOTHING;
      if (!request.complete && scope === NOTHING) request.destroy();
    });
    response.once('close', () => request.complete && timer.cancel());
    next();
  };
}

/** Nothing from elsewhere, no script at all, no frame around it. */
function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        ...{ 'default-src': ["'none'"], 'style-src': ["'self'"], 'img-src': ["'self'"], 'form-action': ["'self'"] },
        ...{ 'base-uri': ["'none'"], 'frame-ancestors': ["'none'"], 'script-src': ["'none'"] },
      },
    },
    crossOriginEmbedderPolicy: true,
    // `no-referrer` would make browsers send `Origin: null` with our own forms
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
  }) as RequestHandler;
}
