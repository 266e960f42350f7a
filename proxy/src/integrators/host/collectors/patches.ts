import { firstLine, type HostSystem, reasonOf } from '../host-system.ts';
import { type Collector, type DataReport, splitParts } from '../report.ts';

export interface Patch {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  readonly security: boolean;
}

/**
 * What the package manager would upgrade, by the lists that lie on this host; the network is never asked.
 * apt simulates (`-s`), takes no lock and changes nothing.
 */
const MANAGER = 'dpkg';
const SIMULATION = [
  '-s',
  '-q',
  '-o',
  'Debug::NoLocking=1',
  '-o',
  'APT::Get::Show-User-Simulation-Note=0',
  'dist-upgrade',
];

export const collectPatches: Collector = async (host) => {
  try {
    const result = await host.run('apt-get', SIMULATION);
    if (result.code !== 0) return [unavailable(firstLine(result.stderr) || `apt-get ended with ${result.code}`)];
    if (!(await hasPackageLists(host))) return [unavailable('no package lists on this host; run apt-get update')];
    return known(readAptSimulation(result.stdout));
  } catch (error) {
    return [unavailable(`apt-get: ${reasonOf(error)}`)];
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

/** `Inst curl [7.88.1-10] (7.88.1-11 Debian-Security:12/oldstable-security [amd64])` */
const INSTALL_LINE = /^Inst (\S+) \[([^\]]+)\] \((\S+) ([^)]*)\)/;

export function readAptSimulation(text: string): Patch[] {
  return text.split('\n').flatMap((line) => {
    const match = INSTALL_LINE.exec(line);
    if (!match) return [];
    const [, name = '', installed = '', candidate = '', origin = ''] = match;
    return [{ name, installed, candidate, security: /security/i.test(origin) }];
  });
}
