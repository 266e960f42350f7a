import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fleet } from '../../fleet/fleet.ts';
import { BUILT, type RoleProcess } from '../../fleet/role-process.ts';
import { loadStored } from '../../load/load-stored.ts';
import { writtenBytes } from '../measure/process-figures.ts';
import { attribute, type CpuProfile } from './attribute.ts';
import { type PhysicalRates, physicalRates } from './physical-limit.ts';
import { type ThreadTime, threadTime } from './thread-time.ts';

const WARM_UP = 20_000;
const MESSAGES = 60_000;
const INTERVAL_MICROS = 500;

/** What one message costs a role. */
export interface RoleProfile {
  readonly role: string;
  /** µs of the main thread's processor time a message, by step */
  readonly steps: ReadonlyMap<string, number>;
  /** µs of processor time a message, by what threads do */
  readonly threads: ThreadTime;
  /** bytes a message that the kernel has sent to the disk */
  readonly diskBytes: number;
  /** bytes a message between the role and its parent, both ways; headers of HTTP and TLS not among them */
  readonly wireBytes: number;
}

export interface MessageProfile {
  readonly messages: number;
  readonly messagesPerSecond: number;
  readonly roles: readonly RoleProfile[];
  readonly rates: PhysicalRates;
}

/** Where the time of a message goes: the whole relay under load in batches of 256, each role with V8's sampling profiler. */
export async function profileOfMessage(say: (line: string) => void): Promise<MessageProfile> {
  const rates = await physicalRates();
  const folder = mkdtempSync(join(tmpdir(), 'bh-bench-'));
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_MICROS}`];
  const fleet = await Fleet.create({ proxies: 1, launch: [...flags, ...BUILT] });
  const roles = [fleet.proxies[0]!, fleet.mlm, fleet.appserver];
  const pids = roles.map(({ pid }) => pid);
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= fleet.stop());
  try {
    say(`warming up with ${WARM_UP} messages …`);
    await loadStored(fleet, WARM_UP);
    say(`${MESSAGES} messages of about 1 KB …`);
    const before = await figuresOf(roles);
    const from = monotonicMicros();
    const seconds = await loadStored(fleet, MESSAGES);
    const to = monotonicMicros();
    const after = await figuresOf(roles);
    await stop(); // the profiles are written now
    const profiles = readProfiles(folder, pids);
    const ofRole = ({ role }: RoleProcess, index: number): RoleProfile => {
      const per = (of: (figures: Figures) => number) => (of(after[index]!) - of(before[index]!)) / MESSAGES;
      const threads = {
        main: per((f) => f.threads.main),
        v8: per((f) => f.threads.v8),
        pool: per((f) => f.threads.pool),
      };
      const steps = scaled(attribute(profiles[index]!, from, to), threads.main);
      return { role, steps, threads, diskBytes: per((f) => f.diskBytes), wireBytes: per((f) => f.wireBytes) };
    };
    return {
      messages: MESSAGES,
      messagesPerSecond: Math.round(MESSAGES / seconds),
      roles: roles.map(ofRole),
      rates,
    };
  } finally {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Figures {
  readonly threads: ThreadTime;
  readonly diskBytes: number;
  readonly wireBytes: number;
}

function figuresOf(roles: readonly RoleProcess[]): Promise<Figures[]> {
  return Promise.all(
    roles.map(async (role) => ({
      threads: threadTime(role.pid),
      diskBytes: writtenBytes([role.pid]),
      wireBytes: (await role.metrics()).get(`backhaul_${role.role}_uplink_bytes_total`) ?? 0,
    })),
  );
}

/** The samples know shares of the time in which the thread had something to do; its processor time is what the kernel says. */
function scaled(steps: ReadonlyMap<string, number>, main: number): Map<string, number> {
  const busy = [...steps.values()].reduce((sum, micros) => sum + micros, 0);
  return new Map([...steps].map(([step, micros]) => [step, (micros / busy) * main]));
}

function readProfiles(folder: string, pids: readonly number[]): CpuProfile[] {
  const names = readdirSync(folder);
  return pids.map((pid) => {
    const name = names.find((file) => file.includes(`.${pid}.`));
    if (name === undefined) throw new Error(`process ${pid} has left no profile`);
    return JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile;
  });
}

const monotonicMicros = (): number => Number(process.hrtime.bigint() / 1_000n);
