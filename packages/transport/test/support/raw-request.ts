import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { Agent, request as tlsRequest } from 'node:https';
import {
  contentTypeOf,
  type EnvelopeResponse,
  newBoundary,
  type RawMessage,
  readReply,
  writeEnvelope,
} from '@backhaul/envelope';
import type { TlsMaterial } from '@backhaul/identity';
import { systemRandom } from '@backhaul/runtime';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** code of a problem+json answer */
  readonly code: string | undefined;
}

/** Requests of one peer over its own connections, as it likes: nothing is checked here. */
export class RawPeer {
  readonly agent: Agent;
  readonly #url: string;

  constructor(url: string, material?: TlsMaterial) {
    this.#url = url;
    this.agent = new Agent({
      keepAlive: true,
      rejectUnauthorized: false,
      maxCachedSessions: 0,
      ...(material ? { key: material.key, cert: material.cert, ca: material.ca } : {}),
    });
  }

  request(path: string, options: RequestOptions & { body?: Buffer } = {}): Promise<RawAnswer> {
    const make = this.#url.startsWith('https') ? tlsRequest : plainRequest;
    const agent = this.#url.startsWith('https') ? { agent: this.agent } : { agent: false as const };
    return new Promise((resolve, reject) => {
      const request = make(`${this.#url}${path}`, { ...agent, ...options }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve(answerOf(response, Buffer.concat(chunks))));
      });
      request.on('error', reject);
      request.end(options.body);
    });
  }

  /** An envelope with the headers that the wire asks for, unless told otherwise (`undefined` leaves one out). */
  async post(messages: readonly RawMessage[], headers: Record<string, string | undefined> = {}): Promise<RawAnswer> {
    const boundary = newBoundary(systemRandom);
    const all = { 'backhaul-version': '1.0', 'content-type': contentTypeOf(boundary), ...headers };
    const given = Object.fromEntries(
      Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const body = Buffer.concat(writeEnvelope(boundary, messages));
    return this.request('/v1/envelopes', {
      method: 'POST',
      headers: { ...given, 'content-length': body.length },
      body,
    });
  }

  poll(ack: string, waitSeconds = 0): Promise<RawAnswer> {
    return this.post([], { 'backhaul-ack': ack, prefer: `wait=${waitSeconds}` });
  }

  close(): void {
    this.agent.destroy();
  }
}

export function replyOf(answer: RawAnswer): { response: EnvelopeResponse; messages: RawMessage[] } {
  return readReply(answer.headers['content-type'], answer.body);
}

function answerOf(response: IncomingMessage, body: Buffer): RawAnswer {
  const problem = response.headers['content-type'] === 'application/problem+json';
  const code = problem ? (JSON.parse(body.toString()) as { code: string }).code : undefined;
  return { status: response.statusCode ?? 0, headers: response.headers, body, code };
}
