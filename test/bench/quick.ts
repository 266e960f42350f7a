import { Fleet } from '../fleet/fleet.ts';
import type { RoleProcess } from '../fleet/role-process.ts';
import { loadStored } from '../load/load-stored.ts';
import { atRest } from './measure/at-rest.ts';

const MESSAGES = 60_000;
const WARM_UP = 10_000;

export interface QuickResult {
  /** handed to the proxy → stored by the application server, over mutual TLS, every hop synced */
  readonly messagesPerSecond: number;
  readonly messages: number;
  readonly batchSize: number;
  /** synced writes of a role for each message */
  readonly syncsPerMessage: Readonly<Record<string, number>>;
  /** processor time of a role for each message, µs */
  readonly cpuMicrosPerMessage: Readonly<Record<string, number>>;
  /** of each process before any load, MiB */
  readonly residentMiB: Readonly<Record<string, number>>;
  readonly residentMiBAfterLoad: Readonly<Record<string, number>>;
}

/** Messages per second end to end through three processes, and what the processes weigh. */
export async function quick(launch: readonly string[], say: (line: string) => void): Promise<QuickResult> {
  say('starting a certificate authority, an application server, an MLM and a proxy (built) …');
  const fleet = await Fleet.create({ proxies: 1, launch });
  try {
    const roles = [fleet.proxies[0]!, fleet.mlm, fleet.appserver];
    await atRest();
    const residentMiB = weigh(roles);
    say(`warming up with ${WARM_UP} messages …`);
    await loadStored(fleet, WARM_UP);
    const before = await syncs(roles);
    say(`${MESSAGES} messages of about 1 KB …`);
    const cpuBefore = roles.map((role) => role.cpuSeconds());
    const seconds = await loadStored(fleet, MESSAGES);
    const cpu = roles.map((role, index) => role.cpuSeconds() - cpuBefore[index]!);
    const after = await syncs(roles);
    return {
      messagesPerSecond: Math.round(MESSAGES / seconds),
      messages: MESSAGES,
      batchSize: 256,
      syncsPerMessage: Object.fromEntries(
        roles.map(({ role }) => [role, round((after[role]! - before[role]!) / MESSAGES, 5)]),
      ),
      cpuMicrosPerMessage: Object.fromEntries(
        roles.map(({ role }, index) => [role, round((cpu[index]! * 1e6) / MESSAGES, 1)]),
      ),
      residentMiB,
      residentMiBAfterLoad: weigh(roles),
    };
  } finally {
    await fleet.stop();
  }
}

async function syncs(roles: readonly RoleProcess[]): Promise<Record<string, number>> {
  const figures = await Promise.all(roles.map(async (role) => [role.role, await syncsOf(role)] as const));
  return Object.fromEntries(figures);
}

/** A store counts its synced writes; the application server makes one transaction, with one sync, for each group of envelopes. */
async function syncsOf(role: RoleProcess): Promise<number> {
  const figures = await role.metrics();
  return (
    figures.get(`backhaul_${role.role}_store_syncs`) ??
    figures.get('backhaul_appserver_commit_seconds_count') ??
    Number.NaN
  );
}

function weigh(roles: readonly RoleProcess[]): Record<string, number> {
  return Object.fromEntries(roles.map((role) => [role.role, round(role.residentBytes() / 2 ** 20, 1)]));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
