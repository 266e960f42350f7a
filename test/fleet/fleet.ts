import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CA_FILES, initCa, issueToken } from '@backhaul/certs';
import { identityOf, rootFingerprint, type SitePackage } from '@backhaul/identity';
import { freePort, temporaryDirectory } from '@backhaul/testkit';
import { enrol } from '@backhaul/transport';
import { Agent, FormData, request } from 'undici';
import { type LaunchOptions, RoleProcess } from './role-process.ts';

export const SITE = 'site-a';
const TRUST_DOMAIN = 'fleet.test';
const NAMES = ['localhost', '127.0.0.1'];
const APPSERVER = 'provider.a1';

export interface FleetOptions {
  readonly proxies?: number;
  /** MLMs of the site, one unless given; with more, each proxy may use all of them and prefers them in turn */
  readonly mlms?: number;
  /** settings added to those of the MLM and of every proxy */
  readonly mlm?: object;
  readonly proxy?: object;
  readonly appserver?: object;
  /** how roles are started; the sources unless given */
  readonly launch?: readonly string[];
  /** by name of the part (`appserver`, `mlm`, `proxy-1` …): what its process is started with besides */
  readonly startWith?: (name: string) => LaunchOptions;
  /** data folder of a part; one below the fleet's own folder unless given */
  readonly home?: (name: string) => Promise<string>;
  /** the URL by which a child is to reach its parent, where something stands between them */
  readonly through?: (parent: 'appserver' | 'mlm', url: string) => Promise<string>;
}

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

  private constructor(
    parts: Pick<Fleet, 'directory' | 'certs' | 'appserver' | 'mlms' | 'proxies' | 'site'>,
    remove: () => Promise<void>,
    agent: Agent,
    token: string,
    rootsPem: string,
  ) {
    ({
      directory: this.directory,
      certs: this.certs,
      appserver: this.appserver,
      mlms: this.mlms,
      proxies: this.proxies,
      site: this.site,
    } = parts);
    this.mlm = this.mlms[0]!;
    this.#remove = remove;
    this.#agent = agent;
    this.#token = token;
    this.rootsPem = rootsPem;
  }

  static async create(options: FleetOptions = {}): Promise<Fleet> {
    const folder = await temporaryDirectory('bh-');
    const at = (name: string) => join(folder.path, name);
    const home = options.home ?? (async (name: string) => at(name));
    const through = options.through ?? (async (_parent, url) => url);
    const launched = (name: string): LaunchOptions => ({ launch: options.launch, ...options.startWith?.(name) });
    const ports = {
      enrol: await freePort(),
      registrar: await freePort(),
      relay: await freePort(),
      staff: await freePort(),
    };
    const mlmPorts: number[] = [];
    for (let n = 0; n < (options.mlms ?? 1); n++) mlmPorts.push(await freePort());
    const url = (port: number) => `https://127.0.0.1:${port}`;
    const listen = (port: number) => ({ host: '127.0.0.1', port });
    const started: RoleProcess[] = [];
    const start = async (role: RoleProcess) => {
      started.push(role);
      await role.start();
      return role;
    };
    try {
      await initCa(at('certs'), { trustDomain: TRUST_DOMAIN });
      const rootsPem = await readFile(join(at('certs'), CA_FILES.roots), 'utf8');
      const pinned = { enrolUrl: url(ports.enrol), rootsPem, rootsSha256: rootFingerprint(rootsPem) };
      const certs = await start(
        new RoleProcess(
          'certs',
          'certs',
          at('certs'),
          { enrol: listen(ports.enrol), registrar: listen(ports.registrar), names: NAMES },
          launched('certs'),
        ),
      );
      const appserverHome = await home('appserver');
      const token = await issueToken(at('certs'), { id: APPSERVER, names: NAMES });
      await enrol({
        ...pinned,
        token,
        identity: identityOf(APPSERVER, TRUST_DOMAIN),
        names: NAMES,
        dataDirectory: appserverHome,
      });
      const appserver = await start(
        new RoleProcess(
          'appserver',
          'appserver',
          appserverHome,
          {
            trustDomain: TRUST_DOMAIN,
            relay: { ...listen(ports.relay), url: url(ports.relay) },
            staff: listen(ports.staff),
            authority: { registrarUrl: url(ports.registrar), enrolUrl: url(ports.enrol) },
            ...options.appserver,
          },
          launched('appserver'),
        ),
      );
      const agent = new Agent({ connect: { ca: rootsPem } });
      const secret = (await readFile(join(appserverHome, 'admin-secret'), 'utf8')).trim();
      const call = <T>(method: string, path: string, body?: unknown) =>
        callApi<T>(agent, appserver, secret, method, path, body);
      const customer = await call<{ id: string }>('POST', '/customers', { name: 'Fleet' });
      await call('POST', `/customers/${customer.id}/sites`, { name: SITE });
      const site = await call<SitePackage>('POST', `/customers/${customer.id}/sites/${SITE}/package`, {
        mlms: mlmPorts.length,
        proxies: options.proxies ?? 1,
        mlmUrls: mlmPorts.map(url),
        redundant: mlmPorts.length > 1,
      });
      const enrolOne = (component: SitePackage['components'][number], dataDirectory: string) =>
        enrol({
          ...pinned,
          token: component.token,
          identity: identityOf(component.id, TRUST_DOMAIN),
          names: component.names ?? [],
          dataDirectory,
        });
      const mlmComponents = site.components.filter(({ kind }) => kind === 'mlm');
      const mlmParent = await through('appserver', url(ports.relay));
      const proxyParent = await through('mlm', url(mlmPorts[0]!));
      const reached = new Map(
        mlmComponents.map(({ id }, index) => [id, index === 0 ? proxyParent : url(mlmPorts[index]!)]),
      );
      const mlms: RoleProcess[] = [];
      for (const [index, component] of mlmComponents.entries()) {
        const name = index === 0 ? 'mlm' : `mlm-${index + 1}`;
        const mlmHome = await home(name);
        await enrolOne(component, mlmHome);
        const settings = {
          trustDomain: TRUST_DOMAIN,
          relay: listen(mlmPorts[index]!),
          parents: [{ id: APPSERVER, url: mlmParent }],
          ...options.mlm,
        };
        mlms.push(await start(new RoleProcess(name, 'mlm', mlmHome, settings, launched(name))));
      }
      const proxies = await Promise.all(
        site.components
          .filter(({ kind }) => kind === 'proxy')
          .map(async (component, index) => {
            const name = `proxy-${index + 1}`;
            const proxyHome = await home(name);
            await enrolOne(component, proxyHome);
            return start(
              new RoleProcess(
                name,
                'proxy',
                proxyHome,
                {
                  trustDomain: TRUST_DOMAIN,
                  parents: [component.parent, ...(component.alternates ?? [])].map(({ id }) => ({
                    id,
                    url: reached.get(id),
                  })),
                  ...options.proxy,
                },
                launched(name),
              ),
            );
          }),
      );
      return new Fleet(
        { directory: folder.path, certs, appserver, mlms, proxies, site },
        folder.remove,
        agent,
        secret,
        rootsPem,
      );
    } catch (error) {
      await Promise.all(started.map((role) => role.kill()));
      await folder.remove();
      throw error;
    }
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
    return callApi<T>(this.#agent, this.appserver, this.#token, method, path, body);
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

async function callApi<T>(
  agent: Agent,
  appserver: RoleProcess,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const isForm = body instanceof FormData;
  const reply = await request(`${appserver.runtime!.listeners.staff}/api/v1${path}`, {
    method: method as 'GET',
    dispatcher: agent,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : isForm ? body : JSON.stringify(body),
  });
  const text = await reply.body.text();
  if (reply.statusCode >= 400) throw new Error(`${method} ${path}: ${reply.statusCode} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
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
