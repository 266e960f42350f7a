import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from '@backhaul/runtime';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

export const DEFAULT_TRUST_DOMAIN = 'backhaul.internal';
/** A token for a component is used at once; the default leaves time for a walk to the machine. */
const DEFAULT_TOKEN_TTL_MS = 24 * 3_600_000;

export const certsInit: Verb = {
  path: 'certs init',
  summary: 'make a certificate authority: a root that signs only the issuing key, and the issuing key',
  description:
    'Keep a copy of the folder in a safe place (backhaul backup): whoever has it can name any component, and without it no new one can enrol.',
  options: [
    ['--dir <folder>', 'a new folder for the authority'],
    ['--trust-domain <name>', `trust domain of all identities (${DEFAULT_TRUST_DOMAIN} when left out)`],
  ],
  examples: ['backhaul certs init --dir /var/lib/backhaul/certs --trust-domain relay.example'],
  run: async ({ cli, options }) => {
    const directory = resolve(cli.directory, options.required('dir'));
    const { initCa } = await import('@backhaul/certs');
    const made = await initCa(directory, { trustDomain: options.text('trustDomain') ?? DEFAULT_TRUST_DOMAIN });
    const configFile = join(directory, 'certs.yaml');
    if (!existsSync(configFile)) await writeFileAtomic(configFile, startingConfig(directory));
    const json = { directory, trustDomain: made.trustDomain, rootsSha256: made.rootsSha256, configFile };
    const text = `The authority of ${made.trustDomain} is in ${directory}.\nRoot (SHA-256): ${made.rootsSha256}\nNext: backhaul certs serve --config ${configFile}`;
    return { json, text };
  },
};

export const certsToken: Verb = {
  path: 'certs token',
  summary: 'issue an enrolment token on the authority’s own machine; for the first application server',
  description:
    'The token works once. Further components get theirs in the package of their site (backhaul sites package).',
  options: [
    ['--dir <folder>', 'folder of the authority'],
    ['--component <id>', 'component ID, such as provider.a1'],
    ['--names <names>', 'DNS names and IP addresses its certificate will carry, separated by commas'],
    ['--ttl <time>', 'how long the token can be used (1d when left out)'],
  ],
  examples: [
    'backhaul certs token --dir /var/lib/backhaul/certs --component provider.a1 --names relay.example,192.0.2.10 > token',
  ],
  run: async ({ cli, options }) => {
    const { issueToken } = await import('@backhaul/certs');
    const id = options.required('component');
    const token = await issueToken(resolve(cli.directory, options.required('dir')), {
      id,
      names: (options.text('names') ?? '').split(',').filter((name) => name !== ''),
      ttlMs: options.durationMs('ttl') ?? DEFAULT_TOKEN_TTL_MS,
    });
    return { json: { component: id, token }, text: printable(token) };
  },
};

function startingConfig(directory: string): string {
  return `# Certificate authority. Every key: backhaul config schema certs
dataDirectory: ${JSON.stringify(directory)}
enrol:
  port: 7440
registrar:
  port: 7441
`;
}
