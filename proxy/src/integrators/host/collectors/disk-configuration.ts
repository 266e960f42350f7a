import type { HostSystem } from '../host-system.ts';
import type { Collector } from '../report.ts';
import { diskMounts } from './mounts.ts';

const SECTOR_BYTES = 512;
/** Memory and loop devices are not disks. */
const NOT_A_DISK = /^(loop|ram|zram|fd|sr)\d/;

export const collectDiskConfiguration: Collector = async (host) => [
  {
    kind: 'data',
    class: 'disk-configuration',
    subclass: 'list',
    data: { devices: await disks(host), filesystems: await fileSystems(host) },
  },
];

async function disks(host: HostSystem): Promise<object[]> {
  const names = await host.list('/sys/block').catch(() => []);
  return Promise.all(names.filter((name) => !NOT_A_DISK.test(name)).map((name) => disk(host, name)));
}

async function disk(host: HostSystem, name: string): Promise<object> {
  const read = (file: string) =>
    host.readText(`/sys/block/${name}/${file}`).then(
      (text) => text.trim(),
      () => '',
    );
  const [sectors, rotational, model] = await Promise.all([
    read('size'),
    read('queue/rotational'),
    read('device/model'),
  ]);
  return {
    name,
    sizeBytes: Number(sectors || 0) * SECTOR_BYTES,
    rotational: rotational === '1',
    ...(model === '' ? {} : { model }),
  };
}

async function fileSystems(host: HostSystem): Promise<object[]> {
  const mounts = await diskMounts(host).catch(() => []);
  const rows = mounts.map(async (mount) => {
    const use = await host.fileSystemUse(mount.mountpoint).catch(() => undefined);
    return use === undefined ? [] : [{ ...mount, sizeBytes: use.sizeBytes, usedBytes: use.usedBytes }];
  });
  return (await Promise.all(rows)).flat();
}
