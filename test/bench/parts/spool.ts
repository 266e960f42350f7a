/**
 * What the spool does on this machine: npm run bench -- spool [messages] [folder]
 * Messages of 1 KiB (300 bytes of header, 724 of body) in batches of 256.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelStore, type SpoolEntry } from '@backhaul/spool';
import { Level } from 'level';

const BATCH = 256;
const messages = Number(process.argv[2] ?? 200_000);
const folder = await mkdtemp(join(process.argv[3] ?? tmpdir(), 'spool-bench-'));
const clock = systemClock;
const header = Buffer.alloc(300, 'h');
const body = Buffer.alloc(724, 'b');
for (let at = 0; at < body.length; at += 1) body[at] = (at * 7919) & 0xff;
let made = 0;

function entries(count: number): SpoolEntry[] {
  return Array.from({ length: count }, () => ({
    id: `01jd${String(made++).padStart(22, '0')}`,
    source: 'c1234abcd.p1',
    epoch: '0123456789abcdef',
    lane: 6,
    sequence: made,
    class: 'performance',
    subclass: 'sample',
    header,
    body,
    receivedAt: clock.now(),
    persistent: false,
  }));
}

async function measure(what: string, count: number, action: () => Promise<unknown>): Promise<void> {
  const start = clock.monotonic();
  await action();
  const seconds = (clock.monotonic() - start) / 1000;
  console.log(
    `${what}: ${Math.round(count / seconds).toLocaleString('en')} messages/s (${seconds.toFixed(2)} s, RSS ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB)`,
  );
}

function open(): { store: LevelStore; spool: LaneQueue } {
  const store = new LevelStore({ directory: join(folder, 'store'), clock, logger: silentLogger, ballastBytes: 0 });
  return { store, spool: new LaneQueue({ store, clock, prefix: 'up', maxBytes: 1e12, maxMessages: 1e9 }) };
}

async function fill(store: LevelStore, spool: LaneQueue, inParallel: number): Promise<void> {
  let left = messages;
  const writer = async (): Promise<void> => {
    for (; left > 0; left -= BATCH) await commitChanges(store, [spool.stage(entries(BATCH))]);
  };
  await Promise.all(Array.from({ length: inParallel }, writer));
}

async function drain(store: LevelStore, spool: LaneQueue, window: number): Promise<number> {
  let taken = 0;
  const sender = async (): Promise<void> => {
    for (;;) {
      const claim = await spool.claim({ maxMessages: BATCH, maxBytes: 1_000_000 });
      if (claim === undefined) return;
      taken += claim.entries.length;
      await commitChanges(store, [
        spool.settle(
          claim,
          claim.entries.map(() => ({ outcome: 'accepted' as const })),
        ).change,
      ]);
    }
  };
  await Promise.all(Array.from({ length: window }, sender));
  return taken;
}

async function bare(): Promise<void> {
  const level = new Level<string, Buffer>(join(folder, 'bare'), { valueEncoding: 'buffer' });
  await level.open();
  const value = Buffer.concat(entries(BATCH).flatMap((entry) => [entry.header, entry.body]));
  await measure('bare classic-level, one value per batch, synced', messages, async () => {
    for (let n = 0; n < messages / BATCH; n += 1)
      await level
        .batch()
        .put(String(n).padStart(12, '0'), value)
        .write({ sync: true } as object);
  });
  await level.close();
}

await bare();
const { store, spool } = open();
await store.start();
await spool.load();
await measure('stage + commit, one after the other', messages, () => fill(store, spool, 1));
await measure('stage + commit, 8 at a time', messages, () => fill(store, spool, 8));
await measure('claim + settle, window 1, half', messages, async () => {
  const half = { left: messages / BATCH };
  while (half.left-- > 0) {
    const claim = await spool.claim({ maxMessages: BATCH, maxBytes: 1_000_000 });
    await commitChanges(store, [
      spool.settle(
        claim!,
        claim!.entries.map(() => ({ outcome: 'accepted' as const })),
      ).change,
    ]);
  }
});
await store.stop();

const again = open();
const start = clock.monotonic();
await again.store.start();
const opened = clock.monotonic();
const report = await again.spool.load();
const loaded = clock.monotonic();
const gib = again.spool.depth().bytes / 2 ** 30;
console.log(
  `open ${Math.round(opened - start)} ms + load ${Math.round(loaded - opened)} ms for ${report.messages.toLocaleString('en')} messages, ${gib.toFixed(2)} GiB`,
);
await measure('claim + settle, window 8, rest', report.messages, () => drain(again.store, again.spool, 8));
const single = clock.monotonic();
for (let n = 0; n < 2_000; n += 1) await commitChanges(again.store, [again.spool.stage(entries(1))]);
console.log(
  `single messages, one after the other: ${Math.round(2_000_000 / (clock.monotonic() - single)).toLocaleString('en')} /s`,
);
const claimStart = clock.monotonic();
await again.spool.claim({ maxMessages: 1, maxBytes: 1 });
console.log(`first claim after all those deletions: ${(clock.monotonic() - claimStart).toFixed(1)} ms`);
await again.store.stop();
const last = open();
const lastStart = clock.monotonic();
await last.store.start();
await last.spool.load();
console.log(
  `open and load with 2,000 messages after ${(messages * 2).toLocaleString('en')} put and deleted: ${Math.round(clock.monotonic() - lastStart)} ms`,
);
await last.store.stop();
await rm(folder, { recursive: true });
