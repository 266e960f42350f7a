import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret, writeFileAtomic } from '@backhaul/runtime';
import { z } from 'zod';
import { ApiClient } from '../../client.ts';
import type { DemoStep } from '../demo-steps.ts';
import { readSummary } from '../summary.ts';

/** With the secret that the application server made at its first start; kept for the command line in this folder. */
export const logIn: DemoStep = {
  does: 'log in to the application server',
  run: async (run) => {
    const server = run.runtimes.get('appserver')!.listeners.staff!;
    const roots = await readFile(join(run.folder.of('appserver'), 'identity', 'roots.pem'), 'utf8');
    run.adminSecret = (await readFile(join(run.folder.of('appserver'), 'admin-secret'), 'utf8')).trim();
    const client = new ApiClient({ url: server, token: new Secret(run.adminSecret), roots, from: 'the demo' });
    run.useApi(client);
    const { version } = await client.get('/version', z.looseObject({ version: z.string() }));
    const stored = { url: server, token: run.adminSecret, roots };
    await writeFileAtomic(run.folder.file('cli.json'), `${JSON.stringify(stored, null, 2)}\n`, 0o600);
    run.before = await readSummary(run);
    return `logged in (version ${version})`;
  },
};
