import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { serverTlsOptions, type TlsMaterial } from '@backhaul/identity';
import {
  BackhaulError,
  boundAddress,
  type Clock,
  type Component,
  type Logger,
  listen,
  type Metrics,
  type Random,
  SparingLog,
  toBackhaulError,
} from '@backhaul/runtime';
import { ArtifactsSending, serveArtifact } from './artifact-route.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { type ExchangeContext, exchangeContext } from './envelope-exchange.ts';
import { serveEnvelope } from './envelope-route.ts';
import { identifyPeer } from './peer.ts';
import { refuse } from './refusal.ts';
import type { Peer, RelayHandler } from './types.ts';

/** What one listener holds at most; past it a refusal, never a crash. */
export const RELAY_LIMITS = {
  /** requests of one identity at one time: the window of 8, the poll, artifacts */
  requestsPerPeer: 16,
  /** connections of one address, before the handshake; many components may stand behind one */
  connectionsPerAddress: 1024,
  /** bytes of request bodies being handled */
  receivedBytes: 256 * 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  /** a connection on which nothing moves, held polls included: its reader does not read */
  silenceMs: 120_000,
  /** how often the timeouts above are looked at */
  checkIntervalMs: 2_000,
  /** what is under way at a stop may take this long */
  drainMs: 10_000,
} as const;

export interface RelayListenerOptions {
  /** id of this component, for its routing element */
  readonly self: string;
  readonly host: string;
  readonly port: number;
  /** `plain`: one trusted LAN or loopback only; the peer is who it says it is */
  readonly tls: TlsMaterial | 'plain';
  readonly trustDomain: string;
  readonly handler: RelayHandler;
  /** answers what is not a relay route */
  readonly fallback?: RequestListener;
  /** compress replies for children that take it; for WAN links */
  readonly compress?: boolean;
  readonly clock: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<Record<keyof typeof RELAY_LIMITS, number>>;
}

/** A constant reason: an exception would cost more than the rest. */
const GONE = 'the client went away';
const ARTIFACT = /^\/v1\/artifacts\/([0-9a-f]{64})$/;

/** Where children send envelopes to, ask for their mailbox and fetch artifacts. */
export class RelayListener implements Component {
  readonly name = 'relay listener';
  readonly #options: RelayListenerOptions;
  readonly #limits: Record<keyof typeof RELAY_LIMITS, number>;
  readonly #server: Server;
  readonly #context: ExchangeContext;
  readonly #sending = new ArtifactsSending();
  readonly #connections: ConnectionLimits;
  readonly #refusals: SparingLog;
  #handling = 0;
  #draining = false;

  constructor(options: RelayListenerOptions) {
    this.#options = options;
    this.#limits = { ...RELAY_LIMITS, ...options.limits };
    this.#refusals = new SparingLog(options.logger, options.clock);
    this.#connections = new ConnectionLimits(this.#limits);
    this.#context = exchangeContext({
      ...options,
      receivedBytes: this.#limits.receivedBytes,
      handling: () => this.#handling,
      draining: () => this.#draining,
    });
    this.#server = this.#createServer();
  }

  /** `https://127.0.0.1:8443`; empty until started. */
  get url(): string {
    const address = boundAddress(this.#server);
    return address && `${this.#options.tls === 'plain' ? 'http' : 'https'}://${address}`;
  }

  /** False before start and while draining. */
  get ready(): boolean {
    return this.#server.listening && !this.#draining;
  }

  async start(): Promise<void> {
    const { host, port, tls, logger } = this.#options;
    refuseLenientParser();
    await listen(this.#server, { host, port });
    if (tls === 'plain') logger.warn({ url: this.url }, 'relay listener without TLS: peers are who they say they are');
    else logger.info({ url: this.url }, 'relay listener started');
  }

  /** Held polls are answered at once, what is under way is finished, then the connections close. */
  async stop(): Promise<void> {
    if (this.#draining || !this.#server.listening) return;
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#context.holds.endAll();
    const timer = this.#options.clock.after(this.#limits.drainMs, () => this.#server.closeAllConnections());
    await closed;
    timer.cancel();
  }

  /** Cuts a component off now: its held poll and its connections [DESIGN §7]. Its next request meets `admit` again. */
  disconnect(id: string): void {
    this.#context.holds.end(id);
    this.#context.order.forget(id);
    this.#context.boots.forget(id);
    this.#context.rivals.forget(id);
    this.#connections.cut(id);
  }

  #createServer(): Server {
    const limits = this.#limits;
    const settings = {
      requireHostHeader: true,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      handshakeTimeout: limits.handshakeTimeoutMs,
      noDelay: true,
    };
    const { tls } = this.#options;
    const server =
      tls === 'plain' ? createServer(settings) : createTlsServer({ ...serverTlsOptions(tls), ...settings });
    server.timeout = limits.silenceMs;
    server.on('request', (request, response) => void this.#serve(request, response));
    server.on('connection', (socket: Socket) => this.#connections.connected(socket));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#clientError(error, socket as Socket));
    server.on('tlsClientError', (error: Error, socket: Socket) => this.#tlsError(error, socket));
    server.on('connect', (_request, socket) => refuseTunnel(socket as Socket));
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pathname = (request.url ?? '/').split('?', 1)[0]!;
    const artifact = ARTIFACT.exec(pathname)?.[1];
    const { fallback } = this.#options;
    if (pathname !== '/v1/envelopes' && artifact === undefined && fallback) return fallback(request, response);
    const gone = new AbortController();
    response.once('close', () => response.writableFinished || gone.abort(GONE));
    response.on('error', () => {});
    await this.#guarded(request, response, async () => {
      const peer = this.#admit(request);
      const leave = this.#connections.enter(peer.identity.id, request.socket);
      try {
        if (artifact !== undefined) await this.#artifact(request, response, peer, artifact);
        else await this.#envelope(request, response, peer, gone.signal, pathname);
      } finally {
        leave();
      }
    });
  }

  /** Every request, on open connections too. */
  #admit(request: IncomingMessage): Peer {
    const peer = identifyPeer(request, this.#options.trustDomain);
    this.#options.handler.admit(peer);
    if (this.#draining) throw new BackhaulError('BH-E-DRAINING', { retryAfterMs: 1000 });
    return peer;
  }

  async #artifact(request: IncomingMessage, response: ServerResponse, peer: Peer, sha256: string): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new BackhaulError('BH-E-METHOD');
    await serveArtifact({ ...this.#context, sending: this.#sending }, request, response, peer, sha256);
  }

  async #envelope(
    request: IncomingMessage,
    response: ServerResponse,
    peer: Peer,
    gone: AbortSignal,
    pathname: string,
  ): Promise<void> {
    if (pathname !== '/v1/envelopes') throw new BackhaulError('BH-E-NOT-FOUND');
    if (request.method !== 'POST') throw new BackhaulError('BH-E-METHOD');
    await serveEnvelope(this.#context, request, response, peer, gone);
  }

  async #guarded(request: IncomingMessage, response: ServerResponse, action: () => Promise<void>): Promise<void> {
    this.#handling++;
    try {
      await action();
    } catch (thrown) {
      this.#refuse(request, response, toBackhaulError(thrown));
    } finally {
      this.#handling--;
      if (this.#draining && this.#handling === 0) this.#server.closeIdleConnections();
    }
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: BackhaulError): void {
    const { code, detail } = error;
    const fields = { code, detail, address: request.socket.remoteAddress, method: request.method, url: request.url };
    this.#context.metrics.refusals.inc({ code });
    if (code === 'BH-E-INTERNAL') this.#options.logger.error({ ...fields, error: error.cause }, 'a request failed');
    else this.#refusals.log('info', `${code} ${fields.address}`, fields, 'a request was refused');
    refuse(request, response, error);
  }

  /** What is not HTTP, or too slow: one line and the end of the connection; framing is in doubt [T-A6, T-A7]. */
  #clientError(error: NodeJS.ErrnoException, socket: Socket): void {
    this.#context.metrics.refusals.inc({ code: error.code ?? 'unknown' });
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const large = error.code === 'HPE_HEADER_OVERFLOW';
    const status = slow ? '408 Request Timeout' : large ? '431 Request Header Fields Too Large' : '400 Bad Request';
    socket.end(answerLine(status), () => socket.destroy());
  }

  #tlsError(error: Error, socket: Socket): void {
    this.#context.metrics.refusals.inc({ code: 'tls' });
    this.#options.logger.info({ address: socket.remoteAddress, reason: error.message }, 'a TLS handshake failed');
    socket.destroy();
  }
}

/** [T-A9] Node has taken its own listeners off this socket: without one of ours, its reset would be an uncaught error. */
function refuseTunnel(socket: Socket): void {
  socket.on('error', () => {});
  socket.end(answerLine('405 Method Not Allowed'), () => socket.destroy());
}

function answerLine(status: string): string {
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}

/** The strict parser is what keeps requests apart [T-A6]. */
function refuseLenientParser(): void {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (options.includes('--insecure-http-parser')) {
    throw new BackhaulError('BH-E-CONFIG', { detail: 'Node runs with --insecure-http-parser; remove it' });
  }
}
