import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, rootFingerprint, type SitePackage, sitePackage } from '@backhaul/identity';
import { BackhaulError, nearMatch, readJson, writeFileAtomic } from '@backhaul/runtime';
import { enrol } from '@backhaul/transport';

export interface EnrolRequest {
  readonly packageFile: string;
  /** component ID */
  readonly component: string;
  readonly dataDirectory: string;
  /** relay listener of the parent; wins over the package */
  readonly parentUrl?: string;
}

export interface TokenEnrolRequest {
  readonly enrolUrl: string;
  /** PEM */
  readonly roots: string;
  readonly token: string;
  /** component ID */
  readonly component: string;
  readonly trustDomain: string;
  /** DNS names and IP addresses that the token grants */
  readonly names: readonly string[];
  readonly dataDirectory: string;
}

export interface Enrolled {
  readonly id: string;
  readonly kind: string;
  readonly dataDirectory: string;
  readonly configFile?: string;
}

type PackagedComponent = SitePackage['components'][number];

/** Key made here, certificate fetched with the token of the package, starting configuration written when there is none. */
export async function enrolFromPackage(request: EnrolRequest): Promise<Enrolled> {
  const site = await readJson(request.packageFile, sitePackage);
  const component = findComponent(site, request.component);
  const { dataDirectory } = request;
  await enrol({
    enrolUrl: site.enrolUrl,
    rootsPem: site.roots,
    rootsSha256: site.rootsSha256,
    token: component.token,
    identity: identityOf(component.id, site.trustDomain),
    names: component.names ?? [],
    dataDirectory,
  });
  if (component.membership) {
    await writeFileAtomic(join(dataDirectory, 'membership.json'), `${JSON.stringify(component.membership, null, 2)}\n`);
  }
  const configFile = join(dataDirectory, `${component.kind}.yaml`);
  if (!existsSync(configFile)) await writeFileAtomic(configFile, startingConfig(site, component, request));
  return { id: component.id, kind: component.kind, dataDirectory, configFile };
}

/** Without a package: an application server, whose token comes from `backhaul certs token`. */
export async function enrolWithToken(request: TokenEnrolRequest): Promise<Enrolled> {
  const { roots, dataDirectory, token, names, enrolUrl } = request;
  const identity = identityOf(request.component, request.trustDomain);
  await enrol({
    enrolUrl,
    rootsPem: roots,
    rootsSha256: rootFingerprint(roots),
    token,
    identity,
    names,
    dataDirectory,
  });
  return { id: identity.id, kind: identity.kind, dataDirectory };
}

function findComponent(site: SitePackage, id: string): PackagedComponent {
  const component = site.components.find((one) => one.id === id);
  if (component) return component;
  const ids = site.components.map((one) => one.id);
  const near = nearMatch(id, ids);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new BackhaulError('BH-E-NOT-FOUND', {
    detail: `${id} is not in the package; it holds ${ids.join(', ')}${hint}`,
  });
}

/** The few settings that a component cannot do without; docs/configuration.md has the others. */
function startingConfig(site: SitePackage, component: PackagedComponent, request: EnrolRequest): string {
  const [first, ...alternates] = [component.parent, ...(component.alternates ?? [])];
  const parents = [{ id: first!.id, url: request.parentUrl ?? first!.url }, ...alternates];
  const lines = [
    `# ${component.kind} ${component.id} of ${site.customer}/${site.site}. Every key: backhaul config schema ${component.kind}`,
    `dataDirectory: ${JSON.stringify(request.dataDirectory)}`,
    `trustDomain: ${JSON.stringify(site.trustDomain)}`,
    'parents:',
    ...parents.flatMap(({ id, url }) => [
      `  - id: ${JSON.stringify(id)}`,
      `    url: ${JSON.stringify(url ?? 'https://set-the-address-of-the-parent-here:7444')}`,
    ]),
  ];
  if (component.kind === 'mlm') lines.push('relay:', '  host: 0.0.0.0', `  port: ${relayPort(site, component.id)}`);
  if (component.kind === 'proxy') lines.push('integrators:', '  - use: host');
  return `${lines.join('\n')}\n`;
}

/** Where the package sends the children of an MLM. */
function relayPort(site: SitePackage, mlm: string): string {
  const parents = site.components.flatMap(({ parent, alternates = [] }) => [parent, ...alternates]);
  const url = parents.find((parent) => parent.id === mlm && parent.url !== undefined)?.url;
  return url === undefined ? '7444' : new URL(url).port || '443';
}
