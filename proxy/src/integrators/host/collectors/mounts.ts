import type { HostSystem } from '../host-system.ts';

export interface Mount {
  readonly device: string;
  readonly mountpoint: string;
  readonly type: string;
}

/** Kinds that hold data on a disk of this host. Others (proc, tmpfs, network shares) have no size worth watching, or may hang. */
const DISK_TYPES = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'zfs',
  'f2fs',
  'jfs',
  'reiserfs',
  'bcachefs',
  'vfat',
  'exfat',
  'ntfs',
  'ntfs3',
  'overlay',
]);

/** File systems worth looking at, each device once. */
export async function diskMounts(host: HostSystem): Promise<Mount[]> {
  return readMounts(await host.readText('/proc/mounts'));
}

export function readMounts(text: string): Mount[] {
  const seen = new Set<string>();
  return text.split('\n').flatMap((line) => {
    const [device = '', mountpoint = '', type = ''] = line.split(' ').map(unescapeOctal);
    const key = type === 'overlay' ? mountpoint : device;
    if (!DISK_TYPES.has(type) || seen.has(key)) return [];
    seen.add(key);
    return [{ device, mountpoint, type }];
  });
}

/** The kernel writes blanks in names as `\040`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
