import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { enrolFromPackage } from '../../enrol-component.ts';
import { writeConfig } from '../demo-configs.ts';
import { type ProcessName, SITE_PROCESSES } from '../demo-folder.ts';
import type { DemoRun } from '../demo-run.ts';
import type { DemoStep } from '../demo-steps.ts';
import { SITE_PACKAGE } from './register-site.ts';

/** Each makes its key in its own folder and gets a certificate with its one-time token. */
export const enrolSite: DemoStep = {
  does: 'enrol the MLM and the proxies',
  run: async (run) => {
    const enrolled = await Promise.all(SITE_PROCESSES.map((name) => enrolOne(run, name)));
    return enrolled.some(Boolean)
      ? `enrolled ${SITE_PROCESSES.map((name) => run.id(name)).join(', ')}`
      : 'the site is enrolled (known)';
  },
};

async function enrolOne(run: DemoRun, name: ProcessName): Promise<boolean> {
  const dataDirectory = run.folder.of(name);
  await writeConfig(run, name);
  if (existsSync(join(dataDirectory, 'identity', 'certificate.pem'))) return false;
  await enrolFromPackage({ packageFile: run.folder.file(SITE_PACKAGE), component: run.id(name), dataDirectory });
  return true;
}
