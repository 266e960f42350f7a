import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Raises how many files and sockets this process and what it starts may have open; false when that is not allowed here. */
export function allowOpenFiles(count: number): boolean {
  if (limit() >= count) return true;
  spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${count}:${count}`]);
  return limit() >= count;
}

/** The hard one: Node takes all of it when it starts. */
function limit(): number {
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard ?? 0);
}
