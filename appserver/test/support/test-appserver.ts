import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Content, Verdict } from '@backhaul/envelope';
import { identityOf } from '@backhaul/identity';
import { type Clock, type Logger, silentLogger, startAll, stopAll, systemClock, systemRandom } from '@backhaul/runtime';
import { type TemporaryDirectory, TlsFixtures, temporaryDirectory } from '@backhaul/testkit';
import type { Peer } from '@backhaul/transport';
import { Agent, type FormData, request } from 'undici';
import { Appserver, appserverConfig, type ServiceModule } from '../../src/index.ts';
import { EVERYTHING } from '../../src/store/scope.ts';
import { ScopedQueries } from '../../src/store/scoped-queries.ts';
import type { MessageOptions, Sender } from './sender.ts';

export const APPSERVER = 'provider.a1';
export const SITE = 'site-a';

let fixtures: TlsFixtures | undefined;
/** One throwaway authority for a whole run. */
export function tls(): TlsFixtures {
  fixtures ??= new TlsFixtures();
  return fixtures;
}
after(() => fixtures?.remove());

export interface TestOptions {
  readonly clock?: Clock;
  readonly config?: object;
  readonly modules?: readonly ServiceModule[];
  readonly logger?: Logger;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks for in a reply says the shape it expects
  readonly body: any;
  readonly text: string;
}

/** A whole application server in this process: real SQLite in a folder of its own, real TLS on loopback. */
export class TestAppserver {
  readonly folder: TemporaryDirectory;
  readonly options: TestOptions;
  readonly #agent: Agent;
  appserver: Appserver;
  customer = '';

  private constructor(folder: TemporaryDirectory, options: TestOptions) {
    this.folder = folder;
    this.options = options;
    this.#agent = new Agent({ connect: { ca: tls().roots } });
    this.appserver = this.#make();
  }

  static async create(options: TestOptions = {}): Promise<TestAppserver> {
    const folder = await temporaryDirectory('backhaul-appserver-');
    const identity = join(folder.path, 'identity');
    mkdirSync(identity, { recursive: true });
    const { key, cert, ca } = tls().component(APPSERVER);
    for (const [file, text] of [
      ['key.pem', key],
      ['certificate.pem', cert],
      ['roots.pem', ca],
    ] as const)
      writeFileSync(join(identity, file), text);
    const test = new TestAppserver(folder, options);
    await startAll(test.appserver.components);
    return test;
  }

  /** A customer with a site of one MLM and some proxies. */
  async addSite(name = SITE, proxies = 3, mlms = 1): Promise<{ customer: string; mlms: string[]; proxies: string[] }> {
    const { directory } = this.appserver;
    const { id: customer } = await directory.addCustomer(`Customer of ${name}`);
    await directory.addSite(customer, name);
    const components = await directory.ensureComponents({ customer, site: name, mlms, proxies });
    const idsOf = (kind: string) => components.filter((c) => c.kind === kind).map(({ id }) => id);
    return { customer, mlms: idsOf('mlm'), proxies: idsOf('proxy') };
  }

  peer(id: string): Peer {
    return { identity: identityOf(id, tls().trustDomain), address: '127.0.0.1' };
  }

  get ledgerAround() {
    const { directory, ledgerGraceMs, clock } = this.appserver.services;
    return { tree: directory.tree, graceMs: ledgerGraceMs, now: clock.now() };
  }

  /** Hands messages over as the listener does, from `peer`. */
  async accept(peer: string, ...messages: ReturnType<Sender['message']>[]): Promise<readonly Verdict[]> {
    return this.appserver.receiver.accept(this.peer(peer), messages);
  }

  /** One message of a fresh sender with the source's own number; returns its verdict. */
  async deliver(sender: Sender, peer: string, content: Content, options: MessageOptions): Promise<Verdict> {
    const [verdict] = await this.accept(peer, sender.message(content, options));
    return verdict!;
  }

  get queries(): ScopedQueries {
    return new ScopedQueries(this.appserver.database.reader, EVERYTHING);
  }

  get secret(): string {
    return readFileSync(join(this.folder.path, 'admin-secret'), 'utf8').trim();
  }

  /** The staff API over TLS, as staff unless told otherwise. */
  async api(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${this.secret}` },
  ): Promise<Answer> {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    return this.http(method, `/api/v1${path}`, {
      headers: { ...json, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async http(
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: string | Buffer | FormData } = {},
  ): Promise<Answer> {
    const answer = await request(`${this.appserver.staff.url}${path}`, {
      method: method as 'GET',
      dispatcher: this.#agent,
      ...options,
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, text, body: asJson(text) };
  }

  /** The same data folder after an orderly stop. */
  async restart(): Promise<void> {
    await stopAll(this.appserver.components);
    this.appserver = this.#make();
    await startAll(this.appserver.components);
  }

  async stop(): Promise<void> {
    await this.#agent.destroy();
    await stopAll(this.appserver.components);
    await this.folder.remove();
  }

  #make(): Appserver {
    const { clock = systemClock, config = {}, modules = [], logger = silentLogger } = this.options;
    const listen = { host: '127.0.0.1', port: 0 };
    const settings = {
      dataDirectory: this.folder.path,
      trustDomain: tls().trustDomain,
      relay: listen,
      staff: listen,
      ...config,
    };
    return new Appserver({ config: appserverConfig.parse(settings), clock, random: systemRandom, logger, modules });
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
