import type { HostSystem } from '../host-system.ts';
import { type Collector, splitParts } from '../report.ts';

interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

const DPKG_FORMAT = `${['db:Status-Abbrev', 'Package', 'Version', 'Architecture'].map((field) => `\${${field}}`).join('\t')}\n`;

/** Installed packages as the machine's own package manager lists them: dpkg, or rpm where there is no dpkg. */
const MANAGERS = [
  {
    manager: 'dpkg',
    command: 'dpkg-query',
    args: ['-W', '-f', DPKG_FORMAT],
    read: readDpkg,
  },
  {
    manager: 'rpm',
    command: 'rpm',
    args: ['-qa', '--qf', '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n'],
    read: readRpm,
  },
] as const;

export const collectOsPackages: Collector = async (host) => {
  const found = await installedPackages(host);
  if (found === undefined) return [];
  const parts = splitParts(found.packages);
  return parts.map((packages, index) => ({
    kind: 'data',
    class: 'os-packages',
    subclass: 'list',
    data: { manager: found.manager, part: index + 1, parts: parts.length, packages },
  }));
};

async function installedPackages(host: HostSystem): Promise<{ manager: string; packages: Package[] } | undefined> {
  for (const { manager, command, args, read } of MANAGERS) {
    const result = await host.run(command, args).catch(() => undefined);
    if (result?.code === 0) return { manager, packages: read(result.stdout) };
  }
  return undefined;
}

/** Only what is installed: configuration left behind by a removed package (`rc`) is not a package. */
export function readDpkg(text: string): Package[] {
  return rows(text)
    .filter(([status]) => status?.[1] === 'i')
    .map(([, name = '', version = '', architecture = '']) => ({ name, version, architecture }));
}

export function readRpm(text: string): Package[] {
  return rows(text).map(([name = '', version = '', architecture = '']) => ({
    name,
    version: version.replace(/^0:/, ''),
    architecture,
  }));
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
