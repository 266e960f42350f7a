import { type HostSystem, reasonOf } from '../host-system.ts';
import type { AlarmReport, Collector } from '../report.ts';
import { diskMounts, type Mount } from './mounts.ts';

const base = { kind: 'alarm', class: 'storage-alarms', subclass: 'filesystem' } as const;

/** A file system above its limit, as an ordinary user meets it (what is reserved for root counts as used). */
export const storageAlarmsCollector =
  (limits: { usedFraction: number }): Collector =>
  async (host) => {
    try {
      const mounts = await diskMounts(host);
      if (mounts.length === 0) return [unavailable('no disk file system is mounted')];
      return await Promise.all(mounts.map((mount) => look(host, mount, limits.usedFraction)));
    } catch (error) {
      return [unavailable(reasonOf(error))];
    }
  };

async function look(host: HostSystem, mount: Mount, limit: number): Promise<AlarmReport> {
  const alarm = { ...base, alarmId: `filesystem:${mount.mountpoint}`, location: mount.mountpoint };
  try {
    const used = usedFraction(await host.fileSystemUse(mount.mountpoint));
    const state = used > limit ? 'open' : 'clear';
    const text = `${mount.mountpoint} is ${percent(used)} full, the limit is ${percent(limit)}`;
    return { ...alarm, severity: used > 0.98 ? 'critical' : 'major', state, text };
  } catch (error) {
    return {
      ...alarm,
      severity: 'info',
      state: 'unavailable',
      text: `${mount.mountpoint} cannot be measured: ${reasonOf(error)}`,
    };
  }
}

export function usedFraction(use: { sizeBytes: number; usedBytes: number; availableBytes: number }): number {
  const reachable = use.usedBytes + use.availableBytes;
  return reachable === 0 ? 0 : use.usedBytes / reachable;
}

function unavailable(reason: string): AlarmReport {
  return {
    ...base,
    alarmId: 'filesystem',
    severity: 'info',
    state: 'unavailable',
    text: `File systems cannot be measured: ${reason}`,
  };
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`;
}
