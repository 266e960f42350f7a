import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CA_FILES, initCa, issueToken } from '@backhaul/certs';
import { identityOf, rootFingerprint, type SitePackage } from '@backhaul/identity';
import { freePort, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { enrol } from '@backhaul/transport';
import { Agent } from 'undici';
import { type LaunchOptions, type Role, RoleProcess } from './role-process.ts';
import { staffCall } from './staff-call.ts';

export const SITE = 'site-a';
const TRUST_DOMAIN = 'fleet.test';
const NAMES = ['localhost', '127.0.0.1'];
const APPSERVER = 'provider.a1';

export interface FleetOptions {
  readonly proxies?: number;
  /** MLMs of the site, one unless given; with more, each proxy may use all of them and prefers them in turn */
  readonly mlms?: number;
  /** plain HTTP on every hop, for measuring; mutual TLS unless given */
  readonly plain?: boolean;
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

/** What a fleet that runs is made of. */
export interface FleetParts {
  readonly directory: string;
  readonly certs: RoleProcess;
  readonly appserver: RoleProcess;
  readonly mlms: readonly RoleProcess[];
  readonly proxies: readonly RoleProcess[];
  readonly site: SitePackage;
  /** whom everything of it trusts */
  readonly rootsPem: string;
  /** the secret of the staff API, and what to call it with */
  readonly token: string;
  readonly agent: Agent;
  readonly remove: () => Promise<void>;
}

type SiteComponent = SitePackage['components'][number];

interface Ports {
  readonly enrol: number;
  readonly registrar: number;
  readonly relay: number;
  readonly staff: number;
  readonly mlms: readonly number[];
}

const url = (port: number, scheme = 'https'): string => `${scheme}://127.0.0.1:${port}`;
const listen = (port: number) => ({ host: '127.0.0.1', port });

/** Starts a fleet from the authority down: each component is enrolled, then started. When one fails, all are ended. */
export class FleetStart {
  readonly #options: FleetOptions;
  readonly #started: RoleProcess[] = [];
  #folder!: TemporaryDirectory;
  #ports!: Ports;
  #rootsPem!: string;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(): Promise<FleetParts> {
    this.#folder = await temporaryDirectory('bh-');
    const { path: directory, remove } = this.#folder;
    try {
      this.#ports = await freePorts(this.#options.mlms ?? 1);
      const certs = await this.#startCerts();
      const { appserver, token } = await this.#startAppserver();
      const agent = new Agent({ connect: { ca: this.#rootsPem } });
      const site = await this.#makeSite((path, body) => staffCall(agent, appserver, token, 'POST', path, body));
      const mlms = await this.#startMlms(site);
      const proxies = await this.#startProxies(site);
      return { directory, certs, appserver, mlms, proxies, site, rootsPem: this.#rootsPem, token, agent, remove };
    } catch (error) {
      await Promise.all(this.#started.map((role) => role.kill()));
      await remove();
      throw error;
    }
  }

  async #startCerts(): Promise<RoleProcess> {
    const folder = join(this.#folder.path, 'certs');
    await initCa(folder, { trustDomain: TRUST_DOMAIN });
    this.#rootsPem = await readFile(join(folder, CA_FILES.roots), 'utf8');
    const { enrol, registrar } = this.#ports;
    const settings = { enrol: listen(enrol), registrar: listen(registrar), names: NAMES };
    return this.#run('certs', 'certs', folder, settings);
  }

  async #startAppserver(): Promise<{ appserver: RoleProcess; token: string }> {
    const { relay, staff, registrar, enrol } = this.#ports;
    const home = await this.#homeOf('appserver');
    const token = await issueToken(join(this.#folder.path, 'certs'), { id: APPSERVER, names: NAMES });
    await this.#enrol({ id: APPSERVER, names: NAMES, token }, home);
    const appserver = await this.#run('appserver', 'appserver', home, {
      trustDomain: TRUST_DOMAIN,
      relay: { ...listen(relay), url: this.#relayUrl(relay), ...this.#plain },
      staff: listen(staff),
      authority: { registrarUrl: url(registrar), enrolUrl: url(enrol) },
      ...this.#options.appserver,
    });
    return { appserver, token: (await readFile(join(home, 'admin-secret'), 'utf8')).trim() };
  }

  async #makeSite(post: <T>(path: string, body: object) => Promise<T>): Promise<SitePackage> {
    const { mlms } = this.#ports;
    const customer = await post<{ id: string }>('/customers', { name: 'Fleet' });
    await post(`/customers/${customer.id}/sites`, { name: SITE });
    return post<SitePackage>(`/customers/${customer.id}/sites/${SITE}/package`, {
      ...{ mlms: mlms.length, proxies: this.#options.proxies ?? 1 },
      ...{ mlmUrls: mlms.map((port) => this.#relayUrl(port)), redundant: mlms.length > 1 },
    });
  }

  async #startMlms(site: SitePackage): Promise<RoleProcess[]> {
    const parent = await this.#through('appserver', this.#relayUrl(this.#ports.relay));
    const mlms: RoleProcess[] = [];
    for (const [index, component] of ofKind(site, 'mlm').entries()) {
      const name = index === 0 ? 'mlm' : `mlm-${index + 1}`;
      const home = await this.#homeOf(name);
      await this.#enrol(component, home);
      const settings = {
        trustDomain: TRUST_DOMAIN,
        ...(this.#options.plain ? { identity: { id: component.id, customer: site.customer } } : {}),
        relay: { ...listen(this.#ports.mlms[index]!), ...this.#plain },
        parents: [{ id: APPSERVER, url: parent }],
        ...this.#options.mlm,
      };
      mlms.push(await this.#run(name, 'mlm', home, settings));
    }
    return mlms;
  }

  async #startProxies(site: SitePackage): Promise<RoleProcess[]> {
    const { mlms } = this.#ports;
    const first = await this.#through('mlm', this.#relayUrl(mlms[0]!));
    const others = mlms.slice(1).map((port) => this.#relayUrl(port));
    const urls = new Map(ofKind(site, 'mlm').map(({ id }, index) => [id, [first, ...others][index]]));
    return Promise.all(
      ofKind(site, 'proxy').map(async (component, index) => {
        const name = `proxy-${index + 1}`;
        const home = await this.#homeOf(name);
        await this.#enrol(component, home);
        const parents = [component.parent, ...(component.alternates ?? [])];
        return this.#run(name, 'proxy', home, {
          trustDomain: TRUST_DOMAIN,
          ...(this.#options.plain ? { identity: { id: component.id } } : {}),
          parents: parents.map(({ id }) => ({ id, url: urls.get(id) })),
          ...this.#options.proxy,
        });
      }),
    );
  }

  get #plain(): { plain?: true } {
    return this.#options.plain ? { plain: true } : {};
  }

  #relayUrl(port: number): string {
    return url(port, this.#options.plain ? 'http' : 'https');
  }

  async #run(name: string, role: Role, home: string, settings: object): Promise<RoleProcess> {
    const { launch, startWith } = this.#options;
    const process = new RoleProcess(name, role, home, settings, { launch, ...startWith?.(name) });
    this.#started.push(process);
    await process.start();
    return process;
  }

  async #enrol({ id, token, names = [] }: Pick<SiteComponent, 'id' | 'token' | 'names'>, home: string): Promise<void> {
    const rootsPem = this.#rootsPem;
    await enrol({
      ...{ enrolUrl: url(this.#ports.enrol), rootsPem, rootsSha256: rootFingerprint(rootsPem) },
      ...{ token, names, identity: identityOf(id, TRUST_DOMAIN), dataDirectory: home },
    });
  }

  async #homeOf(name: string): Promise<string> {
    return this.#options.home?.(name) ?? join(this.#folder.path, name);
  }

  async #through(parent: 'appserver' | 'mlm', to: string): Promise<string> {
    return this.#options.through?.(parent, to) ?? to;
  }
}

function ofKind({ components }: SitePackage, kind: 'mlm' | 'proxy'): readonly SiteComponent[] {
  return components.filter((component) => component.kind === kind);
}

async function freePorts(mlmCount: number): Promise<Ports> {
  const [enrol, registrar, relay, staff] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const mlms: number[] = [];
  for (let n = 0; n < mlmCount; n++) mlms.push(await freePort());
  return { enrol, registrar, relay, staff, mlms };
}
