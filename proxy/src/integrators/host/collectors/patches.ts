import { firstLine, type HostSystem, reasonOf } from '../host-system.ts';
import { type Collector, type DataReport, splitParts } from '../report.ts';

export interface Patch {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  readonly security: boolean;
}

/**
 * What the package manager could upgrade, by the lists that lie on this host; the network is never asked, no lock is taken.
 * `apt list` does not run the dependency solver as a simulated upgrade would, and costs a third of it.
 */
const MANAGER = 'dpkg';
const LIST = ['list', '--upgradable', '-o', 'Debug::NoLocking=1'];

export const collectPatches: Collector = async (host) => {
  try {
    const result = await host.run('apt', LIST);
    if (result.code !== 0) return [unavailable(firstLine(result.stderr) || `apt ended with ${result.code}`)];
    if (!(await hasPackageLists(host))) return [unavailable('no package lists on this host; run apt-get update')];
    return known(readAptList(result.stdout));
  } catch (error) {
    return [unavailable(`apt: ${reasonOf(error)}`)];
  }
};

async function hasPackageLists(host: HostSystem): Promise<boolean> {
  const names = await host.list('/var/lib/apt/lists').catch(() => []);
  return names.some((name) => /_Packages(\.\w+)?$/.test(name));
}

function known(patches: readonly Patch[]): DataReport[] {
  const parts = splitParts(patches);
  return parts.map((available, index) => ({
    kind: 'data',
    class: 'patches',
    subclass: 'available',
    data: { manager: MANAGER, state: 'known', part: index + 1, parts: parts.length, available },
  }));
}

function unavailable(reason: string): DataReport {
  return {
    kind: 'data',
    class: 'patches',
    subclass: 'available',
    data: { manager: MANAGER, state: 'unavailable', reason, part: 1, parts: 1, available: [] },
  };
}

/** `curl/oldstable-security,oldstable 7.88.1-11 amd64 [upgradable from: 7.88.1-10]` */
const LINE = /^([^/\s]+)\/(\S+) (\S+) \S+ \[upgradable from: ([^\]]+)\]$/;

export function readAptList(text: string): Patch[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (!match) return [];
    const [, name = '', suites = '', candidate = '', installed = ''] = match;
    return [{ name, installed, candidate, security: /-security\b/.test(suites) }];
  });
}
