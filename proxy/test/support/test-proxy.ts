import { join } from 'node:path';
import { identityOf } from '@backhaul/identity';
import {
  type Component,
  type Logger,
  silentLogger,
  startAll,
  stopAll,
  systemClock,
  systemRandom,
} from '@backhaul/runtime';
import type { Store } from '@backhaul/spool';
import { temporaryDirectory } from '@backhaul/testkit';
import { Agent, request } from 'undici';
import { type ProxyConfig, proxyConfig } from '../../src/config.ts';
import { buildProxy } from '../../src/proxy.ts';
import { PARENT, PROXY, type TestParent, TRUST_DOMAIN } from './test-parent.ts';

type Settings = Partial<Omit<Parameters<typeof proxyConfig.parse>[0] & object, 'parents'>> & Record<string, unknown>;

export interface TestProxyOptions {
  /** the parent, or where nobody listens when absent */
  readonly parent?: TestParent;
  readonly directory?: string;
  readonly settings?: Settings;
  readonly logger?: Logger;
  readonly store?: Store;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON of many shapes
  readonly body: any;
}

/** A whole proxy in this process, over plain HTTP to a test parent, with its real store and its real sockets. */
export class TestProxy {
  readonly directory: string;
  readonly config: ProxyConfig;
  readonly #components: readonly Component[];
  readonly #agent: Agent;
  readonly #remove: () => Promise<void>;

  private constructor(
    directory: string,
    config: ProxyConfig,
    given: { logger: Logger; store: Store | undefined },
    remove: () => Promise<void>,
  ) {
    this.directory = directory;
    this.config = config;
    this.#remove = remove;
    this.#components = buildProxy({
      config,
      identity: identityOf(PROXY, TRUST_DOMAIN),
      tls: 'plain',
      clock: systemClock,
      random: systemRandom,
      logger: given.logger,
      ...(given.store === undefined ? {} : { store: given.store }),
    }).components;
    this.#agent = new Agent({ connect: { socketPath: this.socketPath } });
  }

  static async start({ parent, directory, settings, logger, store }: TestProxyOptions = {}): Promise<TestProxy> {
    const folder = directory === undefined ? await temporaryDirectory('bh-p-') : undefined;
    const dataDirectory = directory ?? folder!.path;
    const config = proxyConfig.parse({
      dataDirectory,
      trustDomain: TRUST_DOMAIN,
      parents: [{ id: PARENT, url: parent?.url ?? 'http://127.0.0.1:9' }],
      installer: { enabled: false },
      ...settings,
    });
    const proxy = new TestProxy(dataDirectory, config, { logger: logger ?? silentLogger, store }, async () =>
      folder?.remove(),
    );
    await startAll(proxy.#components);
    return proxy;
  }

  get socketPath(): string {
    return join(this.directory, 'integrator.sock');
  }

  component<T extends Component>(name: string): T {
    return this.#components.find((component) => component.name === name) as T;
  }

  async stop(): Promise<void> {
    await this.#agent.destroy();
    await stopAll(this.#components);
    await this.#remove();
  }

  /** Stops, keeps the data folder. */
  async halt(): Promise<void> {
    await this.#agent.destroy();
    await stopAll(this.#components);
  }

  async call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<ApiAnswer> {
    const payload = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
    const answer = await request(`http://proxy${path}`, {
      method,
      dispatcher: this.#agent,
      ...(payload === undefined ? {} : { body: payload }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  post(path: string, body: unknown): Promise<ApiAnswer> {
    return this.call('POST', path, body);
  }

  get(path: string): Promise<ApiAnswer> {
    return this.call('GET', path);
  }

  /** An integrator and one support instance, as most tests need them. */
  async register(managementId = 'host-1'): Promise<{ integrator: string; instance: string }> {
    const integrator = (await this.post('/v1/integrators', { name: 'test', platform: 'snmp', version: '1.0' })).body.id;
    const instance = await this.post('/v1/instances', {
      integrator,
      platform: 'snmp',
      managementId,
      name: managementId,
      type: 'switch',
    });
    return { integrator, instance: instance.body.id };
  }
}
