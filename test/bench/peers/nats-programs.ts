import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { programPath } from '@backhaul/testkit';

/** Where `--install` unpacks the nats-server of a later Debian. */
export const NEWER_NATS = fileURLToPath(new URL('../../../.bench/programs/nats-server', import.meta.url));

export interface NatsProgram {
  readonly path: string;
  readonly version: string;
}

/** The newest nats-server that this machine has; undefined where there is none. */
export function newestNats(): NatsProgram | undefined {
  const places = [join(NEWER_NATS, 'usr', 'sbin', 'nats-server'), programPath('nats-server')];
  for (const path of places) {
    const version = path === undefined ? undefined : natsVersion(path);
    if (version !== undefined) return { path: path!, version };
  }
  return undefined;
}

/** `2.9.10`; undefined where there is no such program. */
export function natsVersion(path: string): string | undefined {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return /v(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1];
}

/** `sync_interval: always` is known from 2.10 on. */
export function canSyncAlways({ version }: NatsProgram): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 10);
}
