import { chmod, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { BackhaulError, type Clock, type Component, closeServer, listen } from '@backhaul/runtime';
import express from 'express';
import { type IntegratorRoutesOptions, integratorRoutes } from './integrator-routes.ts';
import { problemHandler } from './problem.ts';
import { readJson } from './read-json.ts';
import { boundRequestBytes } from './request-bytes.ts';
import { boundDepth } from './request-depth.ts';
import type { Stage } from './stage.ts';
import { whileOpen } from './store-door.ts';
import { submissionDoor } from './submission-door.ts';

/** Linux takes no longer path for a Unix socket (108 bytes with the closing zero). */
export const SOCKET_PATH_BYTES = 107;
const HEADERS_TIMEOUT_MS = 10_000;
/** for a whole request to arrive; answers (long polls) may take longer */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 60_000;
/** what is under way at a stop may end within this */
const DRAIN_MS = 2_000;

export interface IntegratorApiOptions extends Omit<IntegratorRoutesOptions, 'stopping'> {
  readonly socketPath: string;
  readonly maxRequestBytes: number;
  readonly maxConnections: number;
  readonly clock: Clock;
}

/** The socket that integrators use, readable and writable by the proxy's user and group. Who may open it may report. */
export class IntegratorApi implements Component {
  readonly name = 'integrator-api';
  readonly #options: IntegratorApiOptions;
  #server: Server | undefined;
  #stopping = new AbortController();

  constructor(options: IntegratorApiOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { socketPath, maxConnections } = this.#options;
    checkSocketPath(socketPath);
    await rm(socketPath, { force: true }); // the store's lock says that no other proxy uses this folder
    this.#stopping = new AbortController();
    this.#server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS },
      this.#listener(),
    );
    this.#server.maxConnections = maxConnections;
    await listen(this.#server, { path: socketPath });
    await chmod(socketPath, 0o660);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#stopping.abort();
    const hard = this.#options.clock.after(DRAIN_MS, () => server.closeAllConnections());
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
    hard.cancel();
    await closeServer(server);
  }

  #listener(): RequestListener {
    const { maxRequestBytes } = this.#options;
    const { signal: stopping } = this.#stopping;
    const options = { ...this.#options, stopping };
    const stages = [notStopping(stopping), boundRequestBytes(maxRequestBytes), readJson(maxRequestBytes), boundDepth];
    return submissionDoor([...stages, whileOpen(options.accept.store)], options, this.#app(stages, options));
  }

  #app(stages: readonly Stage[], options: IntegratorRoutesOptions): express.Express {
    const app = express();
    app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
    for (const stage of stages) app.use(stage);
    app.use(integratorRoutes(options));
    app.use((request) => {
      throw new BackhaulError('BH-E-NOT-FOUND', { detail: `${request.method} ${request.path.slice(0, 128)}` });
    });
    app.use(problemHandler(options.logger));
    return app;
  }
}

function notStopping(stopping: AbortSignal): Stage {
  return (_request, response, next) => {
    if (!stopping.aborted) return next();
    response.setHeader('Connection', 'close');
    throw new BackhaulError('BH-E-DRAINING');
  };
}

/** Throws BH-E-CONFIG: the system would cut the path off, or refuse it with a word that helps nobody. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES) {
    throw new BackhaulError('BH-E-CONFIG', {
      detail: `dataDirectory is too deep for a Unix socket: ${path} has ${bytes} bytes, ${SOCKET_PATH_BYTES} fit`,
    });
  }
}
