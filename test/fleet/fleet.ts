import { randomUUID } from 'node:crypto';
import type { SitePackage } from '@backhaul/identity';
import { Agent, FormData, request } from 'undici';
import { type FleetOptions, type FleetParts, FleetStart } from './fleet-start.ts';
import type { RoleProcess } from './role-process.ts';
import { staffCall } from './staff-call.ts';

export { type FleetOptions, SITE } from './fleet-start.ts';

/** A message as an integrator hands it in. */
export type Submission = Record<string, unknown>;

/**
 * A whole network on this machine: certificate authority, application server, one customer MLM and some proxies, each its
 * own process, over mutual TLS, in a folder of its own. Tests speak to it in messages.
 */
export class Fleet {
  readonly directory: string;
  readonly certs: RoleProcess;
  readonly appserver: RoleProcess;
  /** the first of `mlms` */
  readonly mlm: RoleProcess;
  readonly mlms: readonly RoleProcess[];
  readonly proxies: readonly RoleProcess[];
  readonly site: SitePackage;
  readonly #remove: () => Promise<void>;
  readonly #agent: Agent;
  readonly #token: string;
  /** whom everything of it trusts */
  readonly rootsPem: string;

  private constructor(parts: FleetParts) {
    this.directory = parts.directory;
    this.certs = parts.certs;
    this.appserver = parts.appserver;
    this.mlms = parts.mlms;
    this.mlm = this.mlms[0]!;
    this.proxies = parts.proxies;
    this.site = parts.site;
    this.rootsPem = parts.rootsPem;
    this.#remove = parts.remove;
    this.#agent = parts.agent;
    this.#token = parts.token;
  }

  static async create(options: FleetOptions = {}): Promise<Fleet> {
    return new Fleet(await new FleetStart(options).start());
  }

  /** Component ID of a proxy. */
  proxyId(index: number): string {
    return this.site.components.filter(({ kind }) => kind === 'proxy')[index]!.id;
  }

  get mlmId(): string {
    return this.mlmIds[0]!;
  }

  get mlmIds(): readonly string[] {
    return this.site.components.filter(({ kind }) => kind === 'mlm').map(({ id }) => id);
  }

  /** The staff API; throws with the problem's code. */
  api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    return staffCall<T>(this.#agent, this.appserver, this.#token, method, path, body);
  }

  get adminSecret(): string {
    return this.#token;
  }

  /** Hands messages to a proxy as an integrator does; gives its answer. */
  async submit(
    proxy: number,
    kind: 'alarms' | 'events' | 'data',
    messages: readonly Submission[],
  ): Promise<{ status: number; body: unknown }> {
    return integratorCall(this.proxies[proxy]!.runtime!.listeners.integrator!, 'POST', `/v1/${kind}`, { messages });
  }

  /** Every message of a class that the application server has stored, oldest first or not as the API says. */
  async stored(query: Record<string, string>): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    for (let cursor: string | undefined; ; ) {
      const search = new URLSearchParams({ ...query, limit: '500', ...(cursor === undefined ? {} : { cursor }) });
      const page = await this.api<{ items: Record<string, unknown>[]; nextCursor: string | null }>(
        'GET',
        `/messages?${search}`,
      );
      items.push(...page.items);
      if (page.nextCursor === null || page.nextCursor === undefined) return items;
      cursor = page.nextCursor;
    }
  }

  /** Waits until `look` gives something; fails after `limitMs` with what was waited for. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>, limitMs = 20_000): Promise<T> {
    for (const end = performance.now() + limitMs; performance.now() < end; ) {
      const found = await look().catch(() => undefined);
      if (found !== undefined && found !== false) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not in time: ${what}`);
  }

  /** An artifact as staff publishes it. */
  async upload(parts: {
    manifest: Uint8Array;
    signature: string;
    publicKey: string;
    bytes: Uint8Array;
  }): Promise<{ sha256: string }> {
    const form = new FormData();
    form.set('manifest', Buffer.from(parts.manifest).toString('utf8'));
    form.set('signature', parts.signature);
    form.set('publicKey', parts.publicKey);
    form.set('file', new Blob([Buffer.from(parts.bytes)]), `${randomUUID()}.tar.gz`);
    return this.api('POST', '/artifacts', form);
  }

  async stop(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    for (const role of [...this.mlms, this.appserver, this.certs]) await role.stop();
    await this.#agent.close();
    await this.#remove();
  }
}

/** One call of the integrator API over its Unix socket. */
export async function integratorCall(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const agent = new Agent({ connect: { socketPath } });
  try {
    const reply = await request(`http://proxy${path}`, {
      method: method as 'GET',
      dispatcher: agent,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await reply.body.text();
    return { status: reply.statusCode, body: text === '' ? undefined : JSON.parse(text) };
  } finally {
    await agent.close();
  }
}
