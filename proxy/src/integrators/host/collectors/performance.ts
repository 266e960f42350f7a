import type { HostSystem } from '../host-system.ts';
import type { Collector } from '../report.ts';

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

interface DiskTotals {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

const SECTOR_BYTES = 512;
/** whole disks only, so that nothing is counted twice */
const WHOLE_DISK = /^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+|dasd[a-z]+)$/;

/**
 * Load, processor, memory and disk as numbers. Processor figures are the difference to the sample before; the first one
 * covers the time since boot.
 */
export function performanceCollector(): Collector {
  let before: CpuTimes = { busy: 0, total: 0 };
  return async (host) => {
    const now = readCpuTimes(await host.readText('/proc/stat'));
    const metrics = {
      cpuBusyFraction: busyFraction(before, now),
      ...(await load(host)),
      ...(await memory(host)),
      ...(await disks(host)),
    };
    before = now;
    return [{ kind: 'data', class: 'performance', subclass: 'sample', data: metrics }];
  };
}

/** user nice system idle iowait irq softirq steal, in ticks */
export function readCpuTimes(text: string): CpuTimes {
  const ticks = (/^cpu\s+(.+)$/m.exec(text)?.[1] ?? '').split(/\s+/).slice(0, 8).map(Number);
  const total = ticks.reduce((sum, tick) => sum + tick, 0);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

export function busyFraction(before: CpuTimes, now: CpuTimes): number {
  const total = now.total - before.total;
  return total <= 0 ? 0 : rounded(Math.min(1, Math.max(0, (now.busy - before.busy) / total)));
}

async function load(host: HostSystem): Promise<{ load1: number; load5: number; load15: number }> {
  const [load1 = 0, load5 = 0, load15 = 0] = (await host.readText('/proc/loadavg')).split(' ').slice(0, 3).map(Number);
  return { load1, load5, load15 };
}

async function memory(host: HostSystem): Promise<{ memoryUsedBytes: number; swapUsedBytes: number }> {
  const text = await host.readText('/proc/meminfo');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return {
    memoryUsedBytes: bytes('MemTotal') - bytes('MemAvailable'),
    swapUsedBytes: bytes('SwapTotal') - bytes('SwapFree'),
  };
}

async function disks(host: HostSystem): Promise<{ diskReadBytes: number; diskWrittenBytes: number }> {
  const totals = readDiskTotals(await host.readText('/proc/diskstats').catch(() => ''));
  return { diskReadBytes: totals.readBytes, diskWrittenBytes: totals.writtenBytes };
}

/** Sums since boot over whole disks. */
export function readDiskTotals(text: string): DiskTotals {
  const rows = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , name = '']) => WHOLE_DISK.test(name));
  const sum = (column: number) => rows.reduce((total, row) => total + Number(row[column] ?? 0) * SECTOR_BYTES, 0);
  return { readBytes: sum(5), writtenBytes: sum(9) };
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
