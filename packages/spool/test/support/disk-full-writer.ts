/**
 * A process that writes 1 KiB values, synced, until an append fails; tells so; waits for a line on stdin (there is space again); then
 * writes 1,000 more and waits to be killed. Every acknowledged key is a line `ok <key>` on stdout.
 *   disk-full-writer.ts bare|guarded <directory> <value bytes>
 */
import { once } from 'node:events';
import { statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { LevelStore } from '@backhaul/spool';
import { Level } from 'level';

const WRITE_BUFFER = 64 * 1024 * 1024; // so that it is the log file that gets full
const AFTER = 1_000;
const BALLAST = 1024 * 1024;
const [kind, directory, bytes] = process.argv.slice(2) as [string, string, string];
const value = Buffer.alloc(Number(bytes), 'x');

interface Target {
  put(key: string): Promise<void>;
  /** resolves when writing may be tried again */
  usable(): Promise<void>;
}

async function bare(): Promise<Target> {
  const level = new Level<string, Buffer>(directory, {
    valueEncoding: 'buffer',
    writeBufferSize: WRITE_BUFFER,
    compression: false,
  });
  await level.open();
  return { put: (key) => level.put(key, value, { sync: true } as object), usable: async () => {} };
}

async function guarded(): Promise<Target> {
  const reopen = { tries: 1_000, waitMs: 5 };
  const options = {
    directory,
    clock: systemClock,
    logger: silentLogger,
    ballastBytes: BALLAST,
    reserveBytes: 0,
    reopen,
  };
  const store = new LevelStore({ ...options, writeBufferSize: WRITE_BUFFER });
  await store.start();
  while ((statSync(join(directory, 'ballast'), { throwIfNoEntry: false })?.size ?? 0) < BALLAST)
    await systemClock.sleep(1);
  return {
    put: (key) => store.commit([{ type: 'put', key, value }]),
    async usable() {
      while (store.state !== 'open') await systemClock.sleep(1);
    },
  };
}

const say = (line: string): number => writeSync(1, `${line}\n`);

const target = kind === 'bare' ? await bare() : await guarded();
let written = 0;
const put = async (): Promise<void> => {
  const key = `k/${String(written++).padStart(7, '0')}`;
  await target.put(key);
  say(`ok ${key}`);
};

say('ready');
await once(process.stdin, 'data');
try {
  for (;;) await put();
} catch {
  say('failed');
}
await once(process.stdin, 'data');
await target.usable();
for (let left = AFTER; left > 0; left -= 1) await put();
say('done');
process.stdin.resume();
