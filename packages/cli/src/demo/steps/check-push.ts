import { formatBytes } from '../../format.ts';
import { readPush } from '../../verbs/push.ts';
import { waitUntil } from '../../wait-until.ts';
import { DEMO_PACKAGE } from '../demo-package.ts';
import type { DemoStep } from '../demo-steps.ts';
import { notInTime } from '../not-in-time.ts';
import { othersThan, pushDemoPackage } from './push-demo-package.ts';
import { transferBytes } from './transfer-bytes.ts';

const SETTLE_MS = 20_000;
const LOOK_EVERY_MS = 200;

/** A package signed with the demo's release key: fetched once, installed three times. Each start pushes the next version. */
export const checkPush: DemoStep = {
  does: 'push a signed package: fetched once over the WAN, installed by three proxies',
  run: async (run) => {
    const number = run.folder.state.pushes + 1;
    await run.folder.remember({ pushes: number });
    const version = `1.0.${number}`;
    const { push } = run.result;
    Object.assign(push, { name: DEMO_PACKAGE, version });
    const outcome = await pushDemoPackage(run, version, run.releaseKeyPem);
    push.id = outcome.id;
    push.installed = outcome.members.filter(({ state }) => state === 'done').length;
    const wanted = run.proxyIds().length;
    if (push.installed !== wanted)
      throw notInTime(`not installed everywhere: ${othersThan('done', outcome)}`, run.folder.file('logs'));
    const limits = { timeoutMs: SETTLE_MS, everyMs: LOOK_EVERY_MS };
    const counted = await waitUntil(
      run.cli.clock,
      () => readPush(run.api, outcome.id),
      ({ wanFetches }) => (wanFetches ?? 0) > 0,
      limits,
    );
    push.wanFetches = counted.answer.wanFetches ?? 0;
    Object.assign(run.result.bytes, await transferBytes(run, counted.answer));
    if (push.wanFetches !== 1)
      throw notInTime(
        `the package crossed the WAN ${push.wanFetches} times instead of once`,
        run.folder.logFile('mlm'),
      );
    return `${DEMO_PACKAGE} ${version}: fetched once (${formatBytes(run.result.bytes.wan)}), installed by ${push.installed}`;
  },
};
