import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { newReleaseKey } from '@backhaul/identity';
import { writeFileAtomic } from '@backhaul/runtime';
import type { DemoStep } from '../demo-steps.ts';
import { choosePorts } from '../free-ports.ts';

/** The folder, the ports, and the release key of the demo, made once. */
export const takeUpFolder: DemoStep = {
  does: 'take up the data folder',
  run: async (run) => {
    const { folder } = run;
    const state = await folder.takeUp(run.options.fresh, run.cli.clock);
    run.ports = await choosePorts(folder.state.ports);
    await folder.remember({ ports: { ...run.ports } });
    const keyFile = folder.file('release-key.pem');
    if (!existsSync(keyFile)) await writeFileAtomic(keyFile, newReleaseKey().privateKeyPem, 0o600);
    run.releaseKeyPem = await readFile(keyFile, 'utf8');
    return `${folder.path} (${state})`;
  },
};
