import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, rootFingerprint } from '@backhaul/identity';
import { enrol } from '@backhaul/transport';
import { APPSERVER_ID, NAMES, TRUST_DOMAIN, url, writeConfig } from '../demo-configs.ts';
import type { DemoRun } from '../demo-run.ts';
import type { DemoStep } from '../demo-steps.ts';

/** A certificate authority and an application server; enrolled the first time, started together afterwards. */
export const startProvider: DemoStep = {
  does: 'start the certificate authority and the application server',
  run: async (run) => {
    await run.startOn(['enrol', 'registrar', 'relay', 'staff'], ['certs', 'appserver'], () => startBoth(run));
    const staff = run.runtimes.get('appserver')!.listeners.staff;
    run.result.portal = staff ?? '';
    return `certificate authority at ${run.runtimes.get('certs')!.listeners.enrol}, application server at ${staff}`;
  },
};

async function startBoth(run: DemoRun): Promise<void> {
  await writeConfig(run, 'certs');
  await writeConfig(run, 'appserver');
  const enrolled = existsSync(join(run.folder.of('appserver'), 'identity', 'certificate.pem'));
  if (!enrolled) await makeAuthority(run);
  const authority = run.start('certs', 'certs');
  if (!enrolled) {
    await authority;
    await enrolAppserver(run);
  }
  await Promise.all([authority, run.start('appserver', 'appserver')]);
}

async function makeAuthority(run: DemoRun): Promise<void> {
  const { caExists, initCa } = await import('@backhaul/certs');
  if (!caExists(run.folder.of('certs'))) await initCa(run.folder.of('certs'), { trustDomain: TRUST_DOMAIN });
}

async function enrolAppserver(run: DemoRun): Promise<void> {
  const { CA_FILES, issueToken } = await import('@backhaul/certs');
  const rootsPem = await readFile(join(run.folder.of('certs'), CA_FILES.roots), 'utf8');
  await enrol({
    enrolUrl: url(run.ports!.enrol),
    rootsPem,
    rootsSha256: rootFingerprint(rootsPem),
    token: await issueToken(run.folder.of('certs'), { id: APPSERVER_ID, names: NAMES }),
    identity: identityOf(APPSERVER_ID, TRUST_DOMAIN),
    names: NAMES,
    dataDirectory: run.folder.of('appserver'),
  });
}
