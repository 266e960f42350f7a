import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NEWER_NATS, natsVersion } from '../peers/nats-programs.ts';
import { installPackages } from './debian-packages.ts';
import { unpackFrom } from './newer-package.ts';

/** `sync_interval` came with 2.10, which Debian 12 does not have. */
const SUITES = ['trixie', 'bookworm-backports'];

/** Installs what the benchmark compares with, and says what could not be had. */
export function install(say: (line: string) => void): void {
  if (process.getuid?.() !== 0) throw new Error('installing needs root');
  const installed = installPackages(say);
  say(installed.length === 0 ? 'the Debian packages are there' : `installed: ${installed.join(', ')}`);
  fetchNewerNats(say);
}

function fetchNewerNats(say: (line: string) => void): void {
  const program = join(NEWER_NATS, 'usr', 'sbin', 'nats-server');
  for (const suite of SUITES) {
    if (natsVersion(program) !== undefined) break;
    try {
      mkdirSync(NEWER_NATS, { recursive: true });
      unpackFrom(suite, 'nats-server', NEWER_NATS);
      say(`nats-server of ${suite} unpacked`);
    } catch (error) {
      rmSync(NEWER_NATS, { recursive: true, force: true });
      say(`no nats-server from ${suite}: ${(error as Error).message}`);
    }
  }
  const version = natsVersion(program);
  say(version ? `nats-server ${version} is there, too` : 'no nats-server 2.10: its synced form is not measured');
}
