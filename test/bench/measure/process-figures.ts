import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second. */
const CLOCK_TICKS = 100;

/** Processor time used so far by these processes and all below them, user and system, seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  return withDescendants(pids).reduce((sum, pid) => sum + cpuOf(pid), 0);
}

/** The same of one process alone. */
export function ownCpuSeconds(pid: number): number {
  return cpuOf(pid);
}

/** Resident memory of these processes and all below them, MiB. */
export function residentMiB(pids: readonly number[]): number {
  return withDescendants(pids).reduce((sum, pid) => sum + residentOf(pid), 0) / 1024;
}

/** Bytes that a process has sent to the disk, by the kernel's account; needs to be root or its owner. */
export function writtenBytes(pids: readonly number[]): number {
  return withDescendants(pids).reduce((sum, pid) => sum + fieldOf(`/proc/${pid}/io`, /^write_bytes: (\d+)/m), 0);
}

function cpuOf(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / CLOCK_TICKS;
}

function residentOf(pid: number): number {
  return fieldOf(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB/m);
}

/** These processes and all that they have started. */
export function withDescendants(pids: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(read(`/proc/${name}/stat`).split(') ')[1]?.split(' ')[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all = new Set(pids);
  for (const pid of all) for (const child of children.get(pid) ?? []) all.add(child);
  return [...all];
}

function fieldOf(file: string, pattern: RegExp): number {
  return Number(pattern.exec(read(file))?.[1] ?? 0);
}

/** Empty when the process is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
