import { contentTypeOf, type RawMessage, writeEnvelope } from '@backhaul/envelope';
import { identityOf, uriSan } from '@backhaul/identity';
import { HttpLine, type LineReply } from './http-line.ts';

/** As a real proxy asks. */
const WAIT_SECONDS = 25;
const BOUNDARY = 'b7'.repeat(24);
const MESSAGE = Buffer.from('Content-ID: <header.');

export interface LightProxyOptions {
  readonly id: string;
  readonly trustDomain: string;
  /** `http://127.0.0.1:12345` */
  readonly parentUrl: string;
  /** its own end of the connection: one address may have 1,024 of them at a parent */
  readonly localAddress: string;
  /** so many messages have come, and the request that acknowledges them is on its way */
  readonly onMessages: (count: number) => void;
}

/**
 * What a proxy is to its parent, without what a proxy does: a held poll with the acknowledgement of what came before, and
 * envelopes, over real sockets and plain HTTP. What it receives it keeps in memory and acknowledges with the next poll.
 */
export class LightProxy {
  readonly id: string;
  readonly #options: LightProxyOptions;
  readonly #poll: HttpLine;
  readonly #common: string;
  #sending: HttpLine | undefined;
  #place = '0:0';
  #sessions = 0;
  #closed = false;

  constructor(options: LightProxyOptions) {
    this.id = options.id;
    this.#options = options;
    this.#poll = this.#line();
    const identity = uriSan(identityOf(options.id, options.trustDomain));
    this.#common = [
      'POST /v1/envelopes HTTP/1.1',
      `host: ${new URL(options.parentUrl).host}`,
      `content-type: ${contentTypeOf(BOUNDARY)}`,
      'backhaul-version: 1.0',
      `backhaul-identity: ${identity}`,
      '',
    ].join('\r\n');
  }

  /** The first exchange asks for nothing to be held; from then on a poll is always on its way. */
  async start(): Promise<void> {
    const hello = `${this.#common}backhaul-ack: 0:0\r\nbackhaul-hello: 1\r\n`;
    this.#note(good(await this.#poll.exchange(hello, EMPTY)));
    void this.#pollOn();
  }

  stop(): void {
    this.#closed = true;
    this.#poll.close();
    this.#sending?.close();
  }

  /** Hands an envelope up; resolves when the parent has answered 200. One at a time. */
  async send(messages: readonly RawMessage[]): Promise<LineReply> {
    this.#sending ??= this.#line();
    const session = (++this.#sessions).toString(16).padStart(16, '0'); // nothing else is under way: each its own
    const link = `backhaul-link: ${session}:1\r\n`;
    return good(await this.#sending.exchange(this.#common + link, Buffer.concat(writeEnvelope(BOUNDARY, messages))));
  }

  async #pollOn(): Promise<void> {
    let came = 0;
    while (!this.#closed) {
      const answer = this.#poll.exchange(
        `${this.#common}backhaul-ack: ${this.#place}\r\nprefer: wait=${WAIT_SECONDS}\r\n`,
        EMPTY,
      );
      if (came > 0) this.#options.onMessages(came);
      try {
        came = this.#note(good(await answer));
      } catch (error) {
        if (!this.#closed) throw error;
      }
    }
  }

  #note({ head, body }: LineReply): number {
    this.#place = /\r\nbackhaul-mailbox: (\S+)/.exec(head)?.[1] ?? this.#place;
    return messagesIn(body);
  }

  #line(): HttpLine {
    const { parentUrl, localAddress } = this.#options;
    const { hostname, port } = new URL(parentUrl);
    return new HttpLine(hostname, Number(port), localAddress);
  }
}

const EMPTY = Buffer.concat(writeEnvelope(BOUNDARY, []));

function good(reply: LineReply): LineReply {
  if (reply.status === 200) return reply;
  throw new Error(`${reply.status}: ${reply.body.toString('utf8').slice(0, 300)}`);
}

function messagesIn(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(MESSAGE); at >= 0; at = body.indexOf(MESSAGE, at + MESSAGE.length)) count += 1;
  return count;
}
