import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where one of the machine's own package lists comes from. */
export interface DebianSource {
  readonly uri: string;
  readonly suite: string;
  /** key file; apt's own keys when there is none */
  readonly signedBy: string | undefined;
}

/**
 * A package of another suite of Debian, unpacked into a folder and not installed: from the source that the machine is
 * configured with, by an apt that has its own state there. Throws with apt's last words.
 */
export function unpackFrom(suite: string, name: string, folder: string): void {
  const apt = join(folder, 'apt');
  try {
    const options = privateApt(apt, suite);
    run('apt-get', [...options, 'update', '-q'], apt);
    run('apt-get', [...options, 'download', '-q', name], apt);
    const file = readdirSync(apt).find((entry) => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`${name} was not downloaded`);
    run('dpkg-deb', ['-x', file, folder], apt);
  } finally {
    rmSync(apt, { recursive: true, force: true });
  }
}

/** Debian's own among the lists that apt knows. */
export function readSources(targets: string): DebianSource[] {
  return targets
    .split('\n\n')
    .filter((stanza) => field(stanza, 'Origin') === 'Debian')
    .map((stanza) => ({
      uri: field(stanza, 'Site') ?? '',
      suite: field(stanza, 'Release') ?? '',
      signedBy: field(stanza, 'Signed-By'),
    }))
    .filter(({ uri, suite }) => uri !== '' && suite !== '');
}

/** Creates the folders and the one list; gives the options that keep everything in them. */
function privateApt(folder: string, suite: string): string[] {
  for (const part of ['state/lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  const { uri, signedBy } = ownSource();
  const list = join(folder, 'sources.list');
  const key = signedBy === undefined ? '' : `[signed-by=${signedBy}] `;
  writeFileSync(list, `deb ${key}${uri} ${suite} main\n`);
  return [
    ...[`Dir::State=${join(folder, 'state')}`, `Dir::Cache=${join(folder, 'cache')}`],
    ...[`Dir::Etc::sourcelist=${list}`, 'Dir::Etc::sourceparts=-', 'Dir::Etc::preferencesparts=-'],
    ...['Dir::State::status=/var/lib/dpkg/status', 'APT::Sandbox::User=root'],
  ].flatMap((option) => ['-o', option]);
}

function ownSource(): DebianSource {
  const { stdout } = spawnSync('apt-get', ['indextargets', 'Created-By: Packages'], { encoding: 'utf8' });
  const release = /^VERSION_CODENAME=(.+)$/m.exec(run('cat', ['/etc/os-release']))?.[1];
  const found = readSources(stdout ?? '').find(({ suite }) => suite === release);
  if (found === undefined) throw new Error(`apt has no source of the suite ${release}`);
  return found;
}

function field(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.+)$`, 'm').exec(stanza)?.[1];
}

function run(command: string, words: readonly string[], cwd = '/'): string {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error((stderr || `${command} ended with ${status}`).trim().split('\n').at(-1));
  return stdout;
}
