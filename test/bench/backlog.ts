import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fleet } from '../fleet/fleet.ts';
import type { RoleProcess } from '../fleet/role-process.ts';
import { load } from '../load/load.ts';

/** One message a second for seven days. */
const SEVEN_DAYS = 604_800;
const NORMAL = 60_000;
const WARM_UP = 10_000;
const SAMPLE_MS = 200;
/** More than the parent says of itself when it starts. */
const FIRST_MESSAGES = 100;
const STORED_WITHIN_MS = 15 * 60_000;

/** How it stood at one moment of the drain. */
export interface DrainSample {
  /** since the parent came back */
  readonly seconds: number;
  readonly stored: number;
  readonly residentMiB: Readonly<Record<string, number>>;
  /** the same without mapped files */
  readonly privateMiB: Readonly<Record<string, number>>;
}

export interface BacklogResult {
  readonly messages: number;
  /** messages/s into the proxy's spool while its parent was away */
  readonly fillPerSecond: number;
  /** from the start of the parent to the first message stored: the sender waits between its tries */
  readonly reconnectSeconds: number;
  /** from then to the last message stored */
  readonly drainSeconds: number;
  readonly drainPerSecond: number;
  /** runs of messages/s end to end without a backlog: two before the outage, two after the drain */
  readonly normalPerSecond: readonly number[];
  /** drain against the median of the normal runs */
  readonly ratio: number;
  /** neighbours in the order of storing whose sequences do not rise */
  readonly outOfOrder: number;
  readonly storedTwice: number;
  /** while the backlog waited */
  readonly before: Pick<DrainSample, 'residentMiB' | 'privateMiB'>;
  readonly samples: readonly DrainSample[];
}

/** A proxy whose parent was away for a week of messages: how fast, in which order and with how much memory they come. */
export async function backlog(
  launch: readonly string[],
  say: (line: string) => void,
  messages = SEVEN_DAYS,
): Promise<BacklogResult> {
  const fleet = await Fleet.create({ proxies: 1, launch });
  try {
    const [proxy] = fleet.proxies;
    await through(fleet, WARM_UP);
    say(`the normal rate, twice ${NORMAL} messages …`);
    const normal = [await through(fleet, NORMAL), await through(fleet, NORMAL)];
    say(`the MLM is stopped; ${messages} messages wait in the proxy …`);
    await fleet.mlm.stop();
    const before = await stored(fleet);
    const filled = await load(proxy!.runtime!.listeners.integrator!, messages);
    const fillSeconds = (performance.now() - filled.startedAt) / 1000;
    const roles = [proxy!, fleet.mlm, fleet.appserver];
    const waiting = weigh([proxy!, fleet.appserver]);
    say('the MLM is started again …');
    const from = performance.now();
    await fleet.mlm.start();
    const samples = await watch(fleet, roles, { before, messages, from, say });
    const first = samples.find((sample) => sample.stored >= FIRST_MESSAGES)!;
    const drainSeconds = samples.at(-1)!.seconds - first.seconds;
    say('the normal rate again …');
    normal.push(await through(fleet, NORMAL), await through(fleet, NORMAL));
    const drainPerSecond = (messages - first.stored) / drainSeconds;
    return {
      messages,
      fillPerSecond: Math.round(messages / fillSeconds),
      reconnectSeconds: first.seconds,
      drainSeconds: round(drainSeconds, 1),
      drainPerSecond: Math.round(drainPerSecond),
      normalPerSecond: normal.map(Math.round),
      ratio: round(drainPerSecond / median(normal), 2),
      ...orderOf(fleet),
      before: waiting,
      samples,
    };
  } finally {
    await fleet.stop();
  }
}

/** Messages per second from the first call to the last message stored. */
async function through(fleet: Fleet, messages: number): Promise<number> {
  const before = await stored(fleet);
  const { startedAt } = await load(fleet.proxies[0]!.runtime!.listeners.integrator!, messages);
  await fleet.until('everything stored', async () => (await stored(fleet)) >= before + messages, STORED_WITHIN_MS);
  return messages / ((performance.now() - startedAt) / 1000);
}

async function stored({ appserver }: Fleet): Promise<number> {
  const figures = await appserver.metrics();
  const of = (name: string) => figures.get(`backhaul_appserver_messages_${name}_total`) ?? 0;
  return of('accepted') - of('duplicate');
}

async function watch(
  fleet: Fleet,
  roles: readonly RoleProcess[],
  drain: { before: number; messages: number; from: number; say: (line: string) => void },
): Promise<DrainSample[]> {
  const samples: DrainSample[] = [];
  let nextTold = 0.1;
  for (const end = drain.from + STORED_WITHIN_MS; performance.now() < end; ) {
    const done = (await stored(fleet)) - drain.before;
    const seconds = round((performance.now() - drain.from) / 1000, 1);
    samples.push({ seconds, stored: done, ...weigh(roles) });
    if (done >= drain.messages) return samples;
    if (done / drain.messages >= nextTold) {
      drain.say(`  ${done} stored after ${seconds} s`);
      nextTold += 0.1;
    }
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  throw new Error('the backlog did not drain in time');
}

/** Read from the application server's own rows, in the order in which they were stored. */
function orderOf(fleet: Fleet): { outOfOrder: number; storedTwice: number } {
  const database = new DatabaseSync(join(fleet.appserver.dataDirectory, 'store', 'appserver.db'), { readOnly: true });
  try {
    const rows = database.prepare(
      `SELECT "sequence" FROM "messages" WHERE "class" = 'x-load' AND "direction" = 'up' ORDER BY "number"`,
    );
    const seen = new Set<number>();
    let [last, outOfOrder, storedTwice] = [0, 0, 0];
    for (const row of rows.iterate()) {
      const sequence = Number(row['sequence']);
      if (sequence <= last) outOfOrder++;
      if (seen.has(sequence)) storedTwice++;
      seen.add(sequence);
      last = sequence;
    }
    return { outOfOrder, storedTwice };
  } finally {
    database.close();
  }
}

function weigh(roles: readonly RoleProcess[]): Pick<DrainSample, 'residentMiB' | 'privateMiB'> {
  const inMiB = (bytesOf: (role: RoleProcess) => number) =>
    Object.fromEntries(roles.map((role) => [role.role, Math.round(bytesOf(role) / 2 ** 20)]));
  return { residentMiB: inMiB((role) => role.residentBytes()), privateMiB: inMiB((role) => role.privateBytes()) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
