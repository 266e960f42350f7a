import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

/** What it was measured on. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly kernel: string;
  readonly node: string;
  /** load average of the minute before: what else was at work */
  readonly load: number;
}

export function thisMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? '?',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="?([^"\n]+)/m.exec(textOf('/etc/os-release'))?.[1] ?? process.platform,
    kernel: release(),
    node: process.version,
    load: Number(textOf('/proc/loadavg').split(' ')[0] ?? 0),
  };
}

export function machineText({ cores, processor, memoryGiB, system, kernel, node, load }: Machine): string {
  return `${cores} cores (${processor}), ${memoryGiB} GiB, ${system}, kernel ${kernel}, Node ${node}, load average at the start ${load}`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
