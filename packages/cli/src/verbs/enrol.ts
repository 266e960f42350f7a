import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { givenToken } from '../connection.ts';
import { type Enrolled, enrolFromPackage, enrolWithToken } from '../enrol-component.ts';
import { usage, type Verb, type VerbCall } from '../verb.ts';
import { DEFAULT_TRUST_DOMAIN } from './certs.ts';

export const enrol: Verb = {
  path: 'enrol',
  summary: 'make the key of a component here, get its certificate, and write a configuration to start with',
  description:
    'The key never leaves this machine; the token works once. A configuration that exists already is left alone. An application server has no package: it is given the address of the authority, its roots and a token.',
  options: [
    ['--package <file>', 'package of the site, from `backhaul sites package`'],
    ['--component <id>', 'which component this is'],
    ['--data <folder>', 'data folder of the component'],
    ['--parent-url <url>', 'relay listener of the parent, when the package does not say it'],
    ['--enrol-url <url>', 'without a package: enrolment listener of the authority'],
    ['--roots <file>', 'without a package: the authority’s roots (PEM)'],
    ['--token-file <file>', 'without a package: file with the token, `-` for standard input'],
    ['--names <names>', 'without a package: names in the certificate, as granted with the token'],
    ['--trust-domain <name>', `without a package: the trust domain (${DEFAULT_TRUST_DOMAIN} when left out)`],
  ],
  examples: [
    'backhaul enrol --package site-a.json --component c7k2m9qx1.m1 --data /var/lib/backhaul/mlm',
    'backhaul enrol --package site-a.json --component c7k2m9qx1.p1 --data /var/lib/backhaul/proxy --parent-url https://mlm.site-a.example:7444',
    'backhaul enrol --component provider.a1 --enrol-url https://ca.example:7440 --roots roots.pem --token-file token --names relay.example --data /var/lib/backhaul/appserver',
  ],
  run: async (call) => {
    const dataDirectory = resolve(call.cli.directory, call.options.required('data'));
    const enrolled =
      call.options.text('package') === undefined
        ? await byToken(call, dataDirectory)
        : await byPackage(call, dataDirectory);
    const config = enrolled.configFile ?? '<file>';
    const text = `${enrolled.id} is enrolled; its certificate and key are in ${dataDirectory}/identity.\nNext: backhaul ${enrolled.kind} --config ${config}`;
    return { json: enrolled, text };
  },
};

function byPackage({ cli, options }: VerbCall, dataDirectory: string): Promise<Enrolled> {
  const parentUrl = options.text('parentUrl');
  return enrolFromPackage({
    packageFile: resolve(cli.directory, options.required('package')),
    component: options.required('component'),
    dataDirectory,
    ...(parentUrl === undefined ? {} : { parentUrl }),
  });
}

async function byToken({ cli, options }: VerbCall, dataDirectory: string): Promise<Enrolled> {
  if (options.text('enrolUrl') === undefined)
    throw usage('--package is needed; or, for an application server, --enrol-url, --roots and --token-file');
  const token = await givenToken(cli, options);
  if (token === undefined) throw usage('--token-file is needed');
  return enrolWithToken({
    enrolUrl: options.required('enrolUrl'),
    roots: readFileSync(resolve(cli.directory, options.required('roots')), 'utf8'),
    token,
    component: options.required('component'),
    trustDomain: options.text('trustDomain') ?? DEFAULT_TRUST_DOMAIN,
    names: (options.text('names') ?? '').split(',').filter((name) => name !== ''),
    dataDirectory,
  });
}
