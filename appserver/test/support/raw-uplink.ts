import {
  appendHop,
  contentTypeOf,
  type EnvelopeResponse,
  type Message,
  newBoundary,
  type RawMessage,
  readReply,
  writeEnvelope,
} from '@backhaul/envelope';
import { systemRandom } from '@backhaul/runtime';
import { Agent, request } from 'undici';
import { type TestAppserver, tls } from './test-appserver.ts';

let sessions = 0;

export interface Reply {
  readonly status: number;
  readonly problem?: { code: string };
  readonly mailbox?: string | undefined;
  readonly response?: EnvelopeResponse;
  readonly messages?: readonly RawMessage[];
}

/** The sending side of one hop, by hand: real TLS with the certificate of a component, one envelope at a time. */
export class RawUplink {
  readonly #test: TestAppserver;
  readonly #agent: Agent;
  readonly #session = (++sessions).toString(16).padStart(16, '0');
  #number = 0;

  constructor(test: TestAppserver, component: string) {
    const { key, cert, ca } = tls().component(component);
    this.#test = test;
    this.#agent = new Agent({ connect: { key, cert, ca } });
  }

  async send(messages: readonly Message[], headers: Record<string, string> = {}): Promise<Reply> {
    const boundary = newBoundary(systemRandom);
    const now = Date.now();
    const parts = messages.map((message) => ({
      id: message.header.id,
      headerBytes: appendHop(message.headerBytes, { id: message.header.source, in: now, out: now }),
      body: message.body,
    }));
    const link: Record<string, string> =
      messages.length > 0 ? { 'backhaul-link': `${this.#session}:${++this.#number}` } : {};
    const answer = await request(`${this.#test.appserver.relay.url}/v1/envelopes`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { 'content-type': contentTypeOf(boundary), 'backhaul-version': '1.0', ...link, ...headers },
      body: Buffer.concat(writeEnvelope(boundary, parts)),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode !== 200)
      return { status: answer.statusCode, problem: JSON.parse(bytes.toString()) as { code: string } };
    return {
      status: 200,
      mailbox: answer.headers['backhaul-mailbox'] as string | undefined,
      ...readReply(String(answer.headers['content-type']), bytes),
    };
  }

  async fetch(sha256: string, headers: Record<string, string> = {}) {
    const answer = await request(`${this.#test.appserver.relay.url}/v1/artifacts/${sha256}`, {
      dispatcher: this.#agent,
      headers,
    });
    return { status: answer.statusCode, bytes: Buffer.from(await answer.body.arrayBuffer()) };
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}
