import { newReleaseKey } from '@backhaul/identity';
import type { DemoStep } from '../demo-steps.ts';
import { notInTime } from '../not-in-time.ts';
import { othersThan, pushDemoPackage } from './push-demo-package.ts';

/** The same software, signed with a key that no site knows: nobody takes it, whatever the application server says. */
export const checkForeignPush: DemoStep = {
  does: 'push a package signed with another key, and have it refused by all three proxies',
  run: async (run) => {
    const { push } = run.result;
    const outcome = await pushDemoPackage(run, `${push.version}-foreign`, newReleaseKey().privateKeyPem);
    const refused = outcome.members.filter(({ state }) => state === 'refused');
    push.refusedId = outcome.id;
    push.refused = refused.length;
    push.refusedBecause = [...new Set(refused.map(({ code }) => code ?? ''))].join(', ');
    if (push.refused !== run.proxyIds().length)
      throw notInTime(`not refused everywhere: ${othersThan('refused', outcome)}`, run.folder.file('logs'));
    return `the same with another key: refused by ${push.refused} (${push.refusedBecause})`;
  },
};
