import { readdirSync, readFileSync } from 'node:fs';

const TICK_MICROS = 10_000;

/** µs of processor time so far, of a process's threads by what they do. */
export interface ThreadTime {
  /** JavaScript */
  readonly main: number;
  /** collection and compiling beside it */
  readonly v8: number;
  /** disk, compression */
  readonly pool: number;
}

export function threadTime(pid: number): ThreadTime {
  const time = { main: 0, v8: 0, pool: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const micros = (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
    if (thread === String(pid)) time.main += micros;
    else if (name.startsWith('libuv')) time.pool += micros;
    else if (!name.startsWith('v8:Prof')) time.v8 += micros;
  }
  return time;
}
