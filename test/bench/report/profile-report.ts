import type { MessageProfile, RoleProfile } from '../profile/profile.ts';
import { COLLECTION, NODE, STEPS } from '../profile/steps.ts';
import { type Machine, machineText } from './machine.ts';

/** The table of docs/performance.md: µs a message, by step and role. */
export function profileReport({ messages, messagesPerSecond, roles, rates }: MessageProfile, machine: Machine): string {
  const rows: [string, (role: RoleProfile) => number][] = [
    ...[...STEPS.map(({ name }) => name), NODE, COLLECTION].map(
      (step) => [step, ({ steps }: RoleProfile) => steps.get(step) ?? 0] as [string, (role: RoleProfile) => number],
    ),
    ['**main thread**', ({ threads }) => threads.main],
    ['other threads of V8: collection, compiling', ({ threads }) => threads.v8],
    ['thread pool: disk, compression', ({ threads }) => threads.pool],
    ['**all**', ({ threads: { main, v8, pool } }) => main + v8 + pool],
    ['limit: its bytes to this disk, synced', ({ diskBytes }) => diskBytes / rates.disk],
    ['limit: its bytes through this loopback', ({ wireBytes }) => wireBytes / rates.wire],
  ];
  return [
    `\`npm run bench -- profile\`, ${machineText(machine)}. ${messages.toLocaleString('en-US')} messages of about 1 KB in batches of up to 256 through three processes, mutual TLS, every hop synced, ${messagesPerSecond.toLocaleString('en-US')} a second under the profiler. µs of processor time a message; steps by V8's samples of the main thread, which count the time that SQLite's COMMIT waits for the disk as the store's. The machine syncs ${mega(rates.disk)} MB/s in blocks of 256 KiB and carries ${mega(rates.wire)} MB/s over one loopback connection.`,
    '',
    `| step | ${roles.map(({ role }) => role).join(' | ')} |`,
    `|---|${roles.map(() => '---').join('|')}|`,
    ...rows.map(([name, of]) => `| ${name} | ${roles.map((role) => shown(of(role))).join(' | ')} |`),
    `| bytes to the disk | ${roles.map(({ diskBytes }) => Math.round(diskBytes)).join(' | ')} |`,
    `| bytes to and from its parent | ${roles.map(({ wireBytes }) => Math.round(wireBytes)).join(' | ')} |`,
    '',
  ].join('\n');
}

const shown = (micros: number): string => (micros < 0.05 ? '' : micros.toFixed(1));
/** bytes a µs are MB a second */
const mega = (rate: number): string => Math.round(rate).toLocaleString('en-US');
