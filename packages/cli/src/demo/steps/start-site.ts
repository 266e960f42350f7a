import { createPrivateKey, createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { releaseKeyName } from '@backhaul/identity';
import { writeFileAtomic } from '@backhaul/runtime';
import { writeConfig } from '../demo-configs.ts';
import { PROXIES, SITE_PROCESSES } from '../demo-folder.ts';
import { DEMO_PACKAGE } from '../demo-package.ts';
import type { DemoStep } from '../demo-steps.ts';

/** The MLM and the proxies together: a proxy tries again until its parent is there. */
export const startSite: DemoStep = {
  does: 'start the MLM and the three proxies with their host integrators',
  run: async (run) => {
    for (const name of PROXIES) await writePolicy(run.folder.of(name), run.releaseKeyPem);
    await run.startOn(['mlm'], SITE_PROCESSES, async () => {
      for (const name of SITE_PROCESSES) await writeConfig(run, name);
      await Promise.all(SITE_PROCESSES.map((name) => run.start(name, name === 'mlm' ? 'mlm' : 'proxy')));
    });
    return `${run.id('mlm')} and ${run.proxyIds().join(', ')} are running`;
  },
};

/** What the customer allows: this key, this software, no older version. */
async function writePolicy(dataDirectory: string, releaseKeyPem: string): Promise<void> {
  const publicKey = createPublicKey(createPrivateKey(releaseKeyPem)).export({ type: 'spki', format: 'pem' }) as string;
  const policy = { allow: [{ key: releaseKeyName(publicKey), name: `${DEMO_PACKAGE}*` }], allowDowngrade: false };
  await writeFileAtomic(join(dataDirectory, 'policy.json'), `${JSON.stringify(policy, null, 2)}\n`);
}
