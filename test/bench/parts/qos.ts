/**
 * How long the spool holds up everything else when it is full: npm run bench -- qos [messages] [messages in a record] [folder]
 * Expiry and persistence are mixed. Times are of one synchronous call, in processor time of its thread: what else the machine does
 * does not count, waiting for the disk neither.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelStore, type SpoolEntry } from '@backhaul/spool';

const messages = Number(process.argv[2] ?? 600_000);
const batch = Number(process.argv[3] ?? 1);
const folder = await mkdtemp(join(process.argv[4] ?? tmpdir(), 'qos-bench-'));
const clock = systemClock;
const header = Buffer.alloc(300, 'h');
const body = Buffer.alloc(200, 'b');
const TTL_MS = 7 * 86_400_000;
let made = 0;

function entries(count: number, given: Partial<SpoolEntry> = {}): SpoolEntry[] {
  return Array.from({ length: count }, () => {
    made += 1;
    const expires = made % 3 === 0 ? { expiresAt: clock.now() + TTL_MS - ((made * 7919) % TTL_MS) / 2 } : {};
    return {
      id: `01jd${String(made).padStart(22, '0')}`,
      source: 'c1234abcd.p1',
      epoch: '0123456789abcdef',
      lane: 6,
      sequence: made,
      class: 'performance',
      subclass: 'sample',
      header,
      body,
      receivedAt: clock.now(),
      persistent: made % 2 === 0,
      ...expires,
      ...given,
    };
  });
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** The longest, and the middle one, of the times that one synchronous step took. */
async function timed(
  what: string,
  rounds: number,
  step: () => unknown,
  between?: () => Promise<unknown>,
): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = threadMs();
    step();
    times.push(threadMs() - start);
    await between?.();
  }
  times.sort((a, b) => a - b);
  const [middle, longest] = [times[times.length >> 1]!, times.at(-1)!];
  console.log(`${what}: ${middle.toFixed(2)} ms, longest of ${rounds} ${longest.toFixed(2)} ms`);
}

function open(): { store: LevelStore; spool: LaneQueue } {
  const store = new LevelStore({ directory: join(folder, 'store'), clock, logger: silentLogger, ballastBytes: 0 });
  return { store, spool: new LaneQueue({ store, clock, prefix: 'up', maxBytes: 1e12, maxMessages: messages }) };
}

const first = open();
await first.store.start();
await first.spool.load();
const writers = Array.from({ length: 64 }, async () => {
  while (made < messages)
    await commitChanges(first.store, [first.spool.stage(entries(Math.min(batch, messages - made)))]);
});
await Promise.all(writers);
await first.store.stop();

global.gc?.();
const empty = process.memoryUsage().rss;
const { store, spool } = open();
await store.start();
const start = threadMs();
await spool.load();
spool.noteParentTime(clock.now());
global.gc?.();
const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
console.log(
  `${messages.toLocaleString('en')} messages in records of ${batch}: load ${Math.round(threadMs() - start)} ms, heap ${mib(heapUsed)} MiB, array buffers ${mib(arrayBuffers)} MiB, RSS ${mib(rss)} MiB (${mib(rss - empty)} more)`,
);

let change: ReturnType<LaneQueue['stage']>;
const commit = (): Promise<void> => commitChanges(store, [change]);
const stage = (count: number, given: Partial<SpoolEntry>) => (): void => {
  change = spool.stage(entries(count, given));
  void change.ops;
};
await timed('one urgent message into the full spool', 200, stage(1, { lane: 2 }), commit);
await timed('256 urgent messages into the full spool', 20, stage(256, { lane: 2 }), commit);
await timed('one message of the same lane, of the highest rank', 200, stage(1, { persistent: true }), commit);
let expired: ReturnType<LaneQueue['expire']>;
await timed(
  'one step of expiry',
  100,
  () => {
    expired = spool.expire(clock.now() + TTL_MS);
    void expired.change.ops;
  },
  () => commitChanges(store, [expired.change]),
);
await timed('depth', 20, () => spool.depth());
await timed('holdings', 20, () => spool.holdings(2_000));
await store.stop();
await rm(folder, { recursive: true });
