import { LIMITS, WIRE_VERSION } from '@backhaul/envelope';
import { clientTlsOptions, type Identity, identityOf, type TlsMaterial, uriSan } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { Agent, type buildConnector, type Dispatcher, ProxyAgent } from 'undici';
import { type OutboundProxy, proxyToken } from './outbound-proxy.ts';
import { readAnswer, readRefusal, unreachable } from './parent-answer.ts';
import {
  type Answer,
  type ArtifactAnswer,
  type ArtifactSpan,
  LINK_TIMEOUTS,
  type Parent,
  type ParentConnection,
  type PostOptions,
} from './parent-connection.ts';
import { single, WIRE_HEADERS } from './wire-headers.ts';

export interface ParentLinkOptions {
  readonly self: Identity;
  readonly parent: Parent;
  readonly tls: TlsMaterial | 'plain';
  readonly outboundProxy?: OutboundProxy;
  /** connections for envelopes; polls and artifacts have their own */
  readonly connections: number;
}

/** One parent: its connections and the requests that go over them. Nothing is retried here: the sender decides. */
export class ParentLink implements ParentConnection {
  readonly parent: Parent;
  accepts: string | undefined;
  greeted = false;
  readonly #origin: string;
  readonly #headers: Record<string, string>;
  readonly #envelopes: Dispatcher;
  readonly #polls: Dispatcher;
  readonly #artifacts: Dispatcher;

  constructor(options: ParentLinkOptions) {
    this.parent = options.parent;
    this.#origin = new URL(options.parent.url).origin;
    this.#headers = {
      [WIRE_HEADERS.version]: WIRE_VERSION,
      ...(options.tls === 'plain' ? { [WIRE_HEADERS.identity]: uriSan(options.self) } : {}),
    };
    const maxResponseSize = LIMITS.envelopeBytes;
    this.#envelopes = dispatcher(options, { connections: options.connections, maxResponseSize });
    this.#polls = dispatcher(options, { connections: 1, maxResponseSize });
    this.#artifacts = dispatcher(options, { connections: 2 });
  }

  get connected(): number | undefined {
    if (!(this.#envelopes instanceof Agent)) return undefined;
    const pool = this.#envelopes.stats[this.#origin];
    return pool === undefined ? 0 : Number(pool.connected);
  }

  async post(body: Buffer, headers: Record<string, string>, options: PostOptions): Promise<Answer> {
    const response = await this.#request(options.isPoll ? this.#polls : this.#envelopes, {
      path: '/v1/envelopes',
      method: 'POST',
      headers: { ...this.#headers, 'accept-encoding': 'zstd, gzip', ...headers },
      body,
      signal: options.signal,
      headersTimeout: options.answerMs ?? LINK_TIMEOUTS.answerMs,
    });
    this.accepts = single(response.headers[WIRE_HEADERS.accepts]) ?? this.accepts;
    const bytes = Buffer.from(await response.body.bytes().catch((cause) => Promise.reject(unreachable(cause))));
    return await readAnswer(response.statusCode, response.headers, bytes);
  }

  async artifact(sha256: string, { from, to }: ArtifactSpan, signal: AbortSignal): Promise<ArtifactAnswer> {
    const wanted = { range: `bytes=${from}-${to === undefined ? '' : to - 1}`, 'if-range': `"${sha256}"` };
    const range = from > 0 || to !== undefined ? wanted : {};
    const { statusCode, headers, body } = await this.#request(this.#artifacts, {
      path: `/v1/artifacts/${sha256}`,
      method: 'GET',
      headers: { ...this.#headers, ...range },
      signal,
      headersTimeout: LINK_TIMEOUTS.answerMs,
    });
    if (statusCode === 200 || statusCode === 206) return { statusCode, headers, body };
    throw readRefusal(statusCode, headers, Buffer.from(await body.bytes().catch(() => new Uint8Array())));
  }

  async close(): Promise<void> {
    await Promise.all([this.#envelopes, this.#polls, this.#artifacts].map((each) => each.destroy()));
  }

  async #request(dispatcher: Dispatcher, options: Omit<Dispatcher.RequestOptions, 'origin'>) {
    try {
      return await dispatcher.request({ origin: this.parent.url, bodyTimeout: LINK_TIMEOUTS.idleMs, ...options });
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

function dispatcher(options: ParentLinkOptions, limits: { connections: number; maxResponseSize?: number }): Dispatcher {
  const { tls, parent, self, outboundProxy } = options;
  const security = tls === 'plain' ? {} : clientTlsOptions(tls, identityOf(parent.id, self.trustDomain));
  const settings = {
    ...limits,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: LINK_TIMEOUTS.keepAliveMs,
    keepAliveMaxTimeout: LINK_TIMEOUTS.keepAliveMs,
  };
  const limited = { ...security, timeout: LINK_TIMEOUTS.connectMs, maxCachedSessions: 0 };
  const connect = limited as buildConnector.BuildOptions;
  if (tls === 'plain' && parent.url.startsWith('https:')) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `${parent.url} needs TLS, the link is plain` });
  }
  if (!outboundProxy) return new Agent({ ...settings, connect });
  const token = proxyToken(outboundProxy);
  return new ProxyAgent({
    ...settings,
    uri: outboundProxy.url,
    requestTls: connect,
    proxyTls: { timeout: LINK_TIMEOUTS.connectMs },
    ...(token === undefined ? {} : { token }),
  });
}
