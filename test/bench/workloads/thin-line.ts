import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newReleaseKey, signManifest } from '@backhaul/identity';
import { seededRandom } from '@backhaul/testkit';
import { Fleet, integratorCall, SITE } from '../../fleet/fleet.ts';
import { BUILT } from '../../fleet/role-process.ts';
import { type Pair, quantile } from '../measure/in-turns.ts';
import { ThinLine } from '../measure/thin-line.ts';
import type { Workload, WorkloadOrder } from '../workload.ts';

/** 128 kbit/s */
const LINE_BYTES_PER_SECOND = 16_000;
const FULL = { alarms: 120, pairs: 2, bulkMessages: 6_000, artifactMiB: 32 } as const;
const QUICK = { alarms: 12, pairs: 1, bulkMessages: 1_000, artifactMiB: 4 } as const;
/** on average; the first alarm after the artifact and the bulk messages have got under way */
const ALARM_EVERY_MS = 1_000;
const FILL_MS = 5_000;
/** An alarm that has not come by then will not. */
const LAST_ALARM_MS = 120_000;
const SEED = 1;
const BATCH = 250;

type Size = typeof FULL | typeof QUICK;

/** One fleet: its alarms on the idle line, then on the full one. */
interface Measured {
  readonly idle: readonly number[];
  readonly full: readonly number[];
  /** kbit/s while it was full, both directions together */
  readonly kbits: { readonly up: number; readonly down: number };
}

export const thinLine: Workload = {
  name: 'thin-line',
  title: 'An alarm on a line of 128 kbit/s, idle and full',
  minutes: 10,
  run,
};

async function run({ quick, say, pairs }: WorkloadOrder) {
  const size = quick ? QUICK : FULL;
  const all: Measured[] = [];
  for (let n = 1; n <= (pairs ?? size.pairs); n += 1) {
    const measured = await oneFleet(size, say);
    all.push(measured);
    say(
      `${n}: ${rowsOf(n, measured)
        .map((row) => row.join(' '))
        .join(' · ')}`,
    );
  }
  const p99 = ({ idle, full }: Measured): Pair => ({ ours: at(full, 0.99), theirs: at(idle, 0.99) });
  const promise = 'synced at every hop';
  return {
    setting: `proxy, MLM and application server over mutual TLS; between MLM and application server a line of 128 kbit/s for both directions together; ${size.alarms} alarms of lane 2, about one a second, on the idle line, then while an artifact comes down and messages of lane 8 go up; from the call of the integrator until the application server takes it up`,
    comparisons: [
      {
        what: 'p99 of an alarm on the full line (the ratio is to the idle line)',
        ...{ unit: 'ms', peer: 'the same on the idle line' },
        durability: { ours: promise, theirs: promise },
        pairs: all.map(p99),
        aim: { better: 'less' as const, reach: 3, goFor: 1.5 },
      },
    ],
    figures: [
      {
        title: 'Alarms on the thin line, ms',
        columns: ['line', 'p50', 'p90', 'p99', 'longest', 'kbit/s up', 'kbit/s down'],
        rows: all.flatMap((measured, index) => rowsOf(index + 1, measured)),
      },
    ],
    missing: [],
  };
}

async function oneFleet(size: Size, say: WorkloadOrder['say']): Promise<Measured> {
  let line: ThinLine | undefined;
  const through = async (parent: string, url: string): Promise<string> =>
    parent === 'appserver' ? (line = await ThinLine.start(url)).through(url) : url;
  const fleet = await Fleet.create({ proxies: 1, launch: BUILT, through });
  try {
    const bench = new AlarmBench(fleet, await registerInstance(fleet));
    const artifact = await publish(fleet, size.artifactMiB);
    line!.narrow(LINE_BYTES_PER_SECOND);
    say(`${size.alarms} alarms on the idle line …`);
    const idle = await bench.alarms(size.alarms);
    await bench.bulk(size.bulkMessages);
    await fleet.api('POST', '/pushes', { artifact, group: SITE });
    await sleep(FILL_MS);
    say(`${size.alarms} alarms on the full line …`);
    const [before, began] = [{ ...line!.bytes }, performance.now()];
    const full = await bench.alarms(size.alarms);
    const seconds = (performance.now() - began) / 1000;
    const rate = (way: 'up' | 'down') => Math.round(((line!.bytes[way] - before[way]) * 8) / 1000 / seconds);
    return { idle, full, kbits: { up: rate('up'), down: rate('down') } };
  } finally {
    line?.widen();
    await fleet.stop();
    await line?.stop();
  }
}

/** Hands alarms to a proxy and reads at the application server when they came. */
class AlarmBench {
  readonly #fleet: Fleet;
  readonly #instance: string;
  readonly #dice = seededRandom(SEED);
  #number = 0;

  constructor(fleet: Fleet, instance: string) {
    this.#fleet = fleet;
    this.#instance = instance;
  }

  /** Ms from the call to the arrival, of each, sorted. */
  async alarms(count: number): Promise<number[]> {
    const calledAt = new Map<string, number>();
    for (let n = 0; n < count; n += 1) {
      const at = Date.now();
      calledAt.set(await this.#alarm(), at);
      await sleep(Math.max(0, at + ALARM_EVERY_MS * (0.5 + this.#dice.fraction()) - Date.now()));
    }
    const arrived = await this.#fleet.until(
      'every alarm has come',
      async () => {
        const found = this.#arrivals().filter(({ id }) => calledAt.has(id));
        return found.length === count && found;
      },
      LAST_ALARM_MS,
    );
    return arrived.map(({ id, receivedAt }) => receivedAt - calledAt.get(id)!).toSorted((a, b) => a - b);
  }

  /** What compresses would not fill the line. */
  async bulk(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += BATCH) {
      const messages = Array.from({ length: BATCH }, () => ({
        ...{ instance: this.#instance, class: 'x-bulk', subclass: 'message', precedence: 8 },
        data: { payload: randomText(500) },
      }));
      const { status } = await this.#fleet.submit(0, 'data', messages);
      if (status !== 202) throw new Error(`the proxy said ${status} to bulk messages`);
    }
  }

  async #alarm(): Promise<string> {
    const alarm = {
      ...{ instance: this.#instance, class: 'x-bench', subclass: 'alarm', severity: 'major', state: 'open' },
      ...{ alarmId: `alarm-${++this.#number}`, text: randomText(300) },
    };
    const { status, body } = await this.#fleet.submit(0, 'alarms', [alarm]);
    const id = (body as { verdicts?: { id?: string }[] }).verdicts?.[0]?.id;
    if (status !== 202 || id === undefined) throw new Error(`the proxy said ${status}: ${JSON.stringify(body)}`);
    return id;
  }

  #arrivals(): { id: string; receivedAt: number }[] {
    const path = join(this.#fleet.appserver.dataDirectory, 'store', 'appserver.db');
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const rows = database.prepare(`SELECT "id", "receivedAt" FROM "messages" WHERE "class" = 'x-bench'`).all();
      return rows.map((row) => ({ id: String(row['id']), receivedAt: Number(row['receivedAt']) }));
    } finally {
      database.close();
    }
  }
}

async function registerInstance(fleet: Fleet): Promise<string> {
  const socket = fleet.proxies[0]!.runtime!.listeners.integrator!;
  const about = { name: 'bench', platform: 'bench', version: '1' };
  const integrator = await integratorCall(socket, 'POST', '/v1/integrators', about);
  const { id } = integrator.body as { id: string };
  const machine = { integrator: id, platform: 'bench', managementId: 'm-1', name: 'm-1', type: 'host' };
  return ((await integratorCall(socket, 'POST', '/v1/instances', machine)).body as { id: string }).id;
}

/** Random bytes, released with a key made for it. */
async function publish(fleet: Fleet, mebibytes: number): Promise<string> {
  const bytes = randomBytes(mebibytes * 2 ** 20);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const key = newReleaseKey();
  const about = { name: 'bench', version: '1.0.0', format: 'archive', sha256, size: bytes.length };
  const manifest = Buffer.from(JSON.stringify(about));
  const signature = signManifest(key.privateKeyPem, manifest);
  return (await fleet.upload({ manifest, signature, publicKey: key.publicKeyPem, bytes })).sha256;
}

function rowsOf(n: number, { idle, full, kbits }: Measured): (string | number)[][] {
  const times = (values: readonly number[]) => [0.5, 0.9, 0.99, 1].map((place) => Math.round(at(values, place)));
  return [
    [`${n} idle`, ...times(idle), '', ''],
    [`${n} full`, ...times(full), kbits.up, kbits.down],
  ];
}

function at(sorted: readonly number[], place: number): number {
  return quantile(sorted, place);
}

function randomText(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
