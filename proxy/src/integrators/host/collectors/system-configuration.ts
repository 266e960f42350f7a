import type { Clock } from '@backhaul/runtime';
import type { HostSystem } from '../host-system.ts';
import type { Collector } from '../report.ts';

/** What the machine is: names, processor, memory, distribution, since when it runs. */
export const collectSystemConfiguration =
  (clock: Clock): Collector =>
  async (host) => {
    const { uptimeSeconds, ...facts } = host.facts();
    return [
      {
        kind: 'data',
        class: 'system-configuration',
        subclass: 'summary',
        data: { ...facts, bootedAt: await bootedAt(host, clock, uptimeSeconds), ...(await distribution(host)) },
      },
    ];
  };

/** ms since 1970; the kernel's own figure, so that it does not wander with rounding. */
async function bootedAt(host: HostSystem, clock: Clock, uptimeSeconds: number): Promise<number> {
  const stat = await host.readText('/proc/stat').catch(() => '');
  const seconds = /^btime (\d+)$/m.exec(stat)?.[1];
  return seconds === undefined ? Math.round(clock.now() - uptimeSeconds * 1000) : Number(seconds) * 1000;
}

async function distribution(host: HostSystem): Promise<{ distribution?: string }> {
  const text = await host.readText('/etc/os-release').catch(() => '');
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1];
  return name === undefined ? {} : { distribution: name };
}
