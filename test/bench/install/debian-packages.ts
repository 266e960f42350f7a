import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** What the peers are, by the name of Debian's package; each holds the program and what starts it as a service. */
export const PEER_PACKAGES = ['nats-server', 'rabbitmq-server', 'mosquitto', 'nginx'] as const;

/** Debian asks this program whether the service of a package may be started; 101 says no. */
const POLICY = '/usr/sbin/policy-rc.d';
const NO = 101;
const NOTHING_STARTS = `#!/bin/sh\nexit ${NO}\n`;

/** Installs what is not there yet, without starting any of it; gives what was installed. */
export function installPackages(say: (line: string) => void): readonly string[] {
  const missing = PEER_PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return [];
  say(`installing ${missing.join(', ')} …`);
  run('apt-get', ['update', '-q']);
  withoutStarting(() => run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing]));
  missing.forEach(stopService);
  return missing;
}

/** A policy that says no already stays as it is; beside another one, what has started is stopped afterwards. */
function withoutStarting(action: () => void): void {
  if (existsSync(POLICY)) {
    action();
    return;
  }
  writeFileSync(POLICY, NOTHING_STARTS, { mode: 0o755 });
  try {
    action();
  } finally {
    rmSync(POLICY);
  }
}

/** Only of a package that was installed just now: one that ran before is somebody's. Not at the next boot either. */
function stopService(name: string): void {
  if (existsSync('/run/systemd/system')) spawnSync('systemctl', ['disable', '--now', name], { stdio: 'ignore' });
  else if (mayStart(name)) spawnSync(`/etc/init.d/${name}`, ['stop'], { stdio: 'ignore' });
}

/** Asked only where it was: a script that stops what never ran may leave helpers of its own behind. */
function mayStart(name: string): boolean {
  return existsSync(POLICY) && spawnSync(POLICY, [name, 'start']).status !== NO;
}

function isInstalled(name: string): boolean {
  const asked = spawnSync('dpkg-query', ['-s', name], { encoding: 'utf8' });
  return /^Status: .* ok installed$/m.test(asked.stdout ?? '');
}

function run(command: string, words: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status } = spawnSync(command, words, { stdio: ['ignore', 2, 2], env });
  if (status !== 0) throw new Error(`${command} ${words[0]} ended with ${status}`);
}
