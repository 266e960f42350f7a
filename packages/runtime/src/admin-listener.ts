import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BackhaulError, toBackhaulError } from './errors.ts';
import { boundAddress, closeServer, listen } from './http-listen.ts';
import type { Component } from './lifecycle.ts';
import type { Logger } from './logging.ts';
import type { Metrics } from './metrics.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Record<string, { ok: boolean; detail?: string }>;
}

export interface AdminListenerOptions {
  /** A loopback address; anything else is refused: these pages ask nobody who they are. */
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly version: string;
  readonly ready: () => Readiness | Promise<Readiness>;
  readonly logger: Logger;
}

type Answer = { status: number; type: string; body: string };
const JSON_TYPE = 'application/json; charset=utf-8';
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Health, readiness, figures and version of a role, for the machine it runs on. */
export class AdminListener implements Component {
  readonly name = 'admin listener';
  readonly #options: AdminListenerOptions;
  readonly #server: Server;

  constructor(options: AdminListenerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.headersTimeout = 10_000;
    this.#server.requestTimeout = 30_000;
  }

  /** `http://127.0.0.1:9464`; empty until started. */
  get url(): string {
    const address = boundAddress(this.#server);
    return address === '' ? '' : `http://${address}`;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    if (!LOOPBACK.test(host)) {
      throw new BackhaulError('BH-E-CONFIG', { detail: `admin.host is ${host}, which is not a loopback address` });
    }
    await listen(this.#server, { host, port });
  }

  stop(): Promise<void> {
    return closeServer(this.#server);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error) => this.#refusal(error));
    response.writeHead(answer.status, {
      'Content-Type': answer.type,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Content-Length': Buffer.byteLength(answer.body),
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const url = URL.parse(request.url ?? '/', 'http://admin');
    const route = url === null ? undefined : this.#route(url);
    if (route === undefined) throw new BackhaulError('BH-E-NOT-FOUND');
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new BackhaulError('BH-E-METHOD');
    return route();
  }

  #route(url: URL): (() => Promise<Answer>) | undefined {
    switch (url.pathname) {
      case '/healthz':
        return async () => json(200, { status: 'ok' });
      case '/readyz':
        return () => this.#readiness(url.searchParams.has('verbose'));
      case '/version':
        return async () => json(200, { version: this.#options.version });
      case '/metrics':
        return async () => ({
          status: 200,
          type: 'text/plain; version=0.0.4; charset=utf-8',
          body: await this.#options.metrics.text(),
        });
      default:
        return undefined;
    }
  }

  async #readiness(verbose: boolean): Promise<Answer> {
    const { ready, checks } = await this.#options.ready();
    return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', ...(verbose ? { checks } : {}) });
  }

  #refusal(thrown: unknown): Answer {
    const error = toBackhaulError(thrown);
    if (error.code === 'BH-E-INTERNAL') this.#options.logger.error({ error }, 'admin request failed');
    return { status: error.status, type: 'application/problem+json', body: JSON.stringify(error.toProblem()) };
  }
}

function json(status: number, value: object): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}
