import { cpuSeconds, ownCpuSeconds, residentMiB } from './process-figures.ts';

/** What one process of a line has used. */
export interface ProcessUse {
  readonly process: string;
  readonly cpuSeconds: number;
  readonly residentMiB: number;
}

/** Adds up the processor time of named processes over the runs that it is asked to watch. */
export class ProcessWatch {
  readonly #processes: Readonly<Record<string, number>>;
  readonly #used: Map<string, number>;

  constructor(processes: Readonly<Record<string, number>>) {
    this.#processes = processes;
    this.#used = new Map(Object.keys(processes).map((name) => [name, 0]));
  }

  async during<T>(action: () => Promise<T>): Promise<T> {
    const before = Object.entries(this.#processes).map(([name, pid]) => [name, pid, cpuOf(pid)] as const);
    const result = await action();
    for (const [name, pid, from] of before) this.#used.set(name, this.#used.get(name)! + cpuOf(pid) - from);
    return result;
  }

  figures(): ProcessUse[] {
    return Object.entries(this.#processes).map(([process, pid]) => ({
      process,
      cpuSeconds: this.#used.get(process)!,
      residentMiB: memoryOf(pid),
    }));
  }
}

/** The benchmark's own process hands messages in for Backhaul; everything else was started by it and is not its work. */
function cpuOf(pid: number): number {
  return pid === process.pid ? ownCpuSeconds(pid) : cpuSeconds([pid]);
}

function memoryOf(pid: number): number {
  return pid === process.pid ? process.memoryUsage.rss() / 2 ** 20 : residentMiB([pid]);
}
