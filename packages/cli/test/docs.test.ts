import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { initCa } from '@backhaul/certs';
import { type ConfigKey, configKeys, systemClock } from '@backhaul/runtime';
import { TlsFixtures } from '@backhaul/testkit';
import { request } from 'undici';
import { expectGenerated } from '../../../test/docs/generated-tables.ts';
import { RoleProcess } from '../src/demo/role-process.ts';
import { roleSchema, SCHEMA_ROLES, type SchemaRole } from '../src/role-schemas.ts';
import { removeTemporaryFolders, temporaryFolder } from './test-context.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

describe('docs/configuration.md', () => {
  for (const role of SCHEMA_ROLES) {
    it(`lists every key of the role ${role}`, async () => {
      const rows = configKeys(await roleSchema(role)).map(keyRow);
      const table = `| key | type | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
      expectGenerated('docs/configuration.md', `keys ${role}`, table);
    });
  }
});

function keyRow({ key, type, default: value, required, description }: ConfigKey): string {
  const filled = required ? '*required*' : value === undefined ? '' : `\`${JSON.stringify(value)}\``;
  return `| \`${key}\` | ${cell(type)} | ${cell(filled)} | ${cell(description ?? '')} |`;
}

describe('docs/operations.md', function () {
  this.timeout(60_000);
  const running: RoleProcess[] = [];
  let fixtures: TlsFixtures;
  let folder = '';
  before(async () => {
    fixtures = new TlsFixtures();
    folder = temporaryFolder();
  });
  after(async () => {
    await Promise.all(running.map((role) => role.stop()));
    fixtures.remove();
    removeTemporaryFolders();
  });

  it('lists the ports that are listened on', async () => {
    const rows: string[] = [];
    for (const role of SCHEMA_ROLES) {
      for (const { key, default: port } of configKeys(await roleSchema(role))) {
        if (key.endsWith('.port')) rows.push(`| ${role} | \`${key}\` | ${port === 0 ? 'any free one' : port} |`);
      }
    }
    expectGenerated('docs/operations.md', 'ports', `| role | key | default |\n|---|---|---|\n${rows.join('\n')}\n`);
  });

  it('lists every metric that a role registers', async () => {
    await initCa(join(folder, 'certs'), { trustDomain: fixtures.trustDomain });
    const metrics = await Promise.all(SCHEMA_ROLES.map(async (role) => metricsOf(await start(role))));
    const rows = metrics.flat().map(({ name, type, help }) => `| \`${name}\` | ${type} | ${cell(help)} |`);
    expectGenerated('docs/operations.md', 'metrics', `| metric | kind | what |\n|---|---|---|\n${rows.join('\n')}\n`);
  });

  /** A role by itself: its parent does not answer, which is no reason not to start. */
  async function start(role: SchemaRole): Promise<string> {
    const dataDirectory = join(folder, role);
    const configFile = join(folder, `${role}.yaml`);
    writeIdentity(dataDirectory, role);
    writeFileSync(configFile, JSON.stringify({ dataDirectory, ...settingsOf(role) }));
    const child = new RoleProcess({
      name: role,
      role,
      configFile,
      dataDirectory,
      logFile: join(folder, `${role}.log`),
      env: { PATH: process.env['PATH'] },
      clock: systemClock,
    });
    running.push(child);
    return (await child.start()).admin;
  }

  function settingsOf(role: SchemaRole): object {
    const free = { host: '127.0.0.1', port: 0 };
    const parents = [{ id: 'provider.a1', url: 'https://127.0.0.1:1' }];
    const { trustDomain } = fixtures;
    if (role === 'certs') return {};
    if (role === 'appserver') return { trustDomain, relay: free, staff: free };
    return role === 'mlm' ? { trustDomain, relay: free, parents } : { trustDomain, parents };
  }

  function writeIdentity(dataDirectory: string, role: SchemaRole): void {
    if (role === 'certs') return;
    const id = { appserver: 'provider.a1', mlm: 'c00000001.m1', proxy: 'c00000001.p1' }[role];
    const { key, cert, ca } = fixtures.component(id);
    mkdirSync(join(dataDirectory, 'identity'), { recursive: true });
    const files = { 'key.pem': key, 'certificate.pem': cert, 'roots.pem': ca };
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(dataDirectory, 'identity', name), text, { mode: 0o600 });
  }
});

async function metricsOf(admin: string): Promise<{ name: string; type: string; help: string }[]> {
  const text = await (await request(`${admin}/metrics`)).body.text();
  const types = new Map([...text.matchAll(/^# TYPE (backhaul_\S+) (\S+)$/gm)].map((match) => [match[1]!, match[2]!]));
  const found = [...text.matchAll(/^# HELP (backhaul_\S+) (.*)$/gm)];
  return found
    .map(([, name, help]) => ({ name: name!, help: help!, type: types.get(name!)! }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
