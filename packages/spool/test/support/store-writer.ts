/** A process that commits one key after the other until it is killed. Every acknowledged key is a line `ok <key>`. */
import { writeSync } from 'node:fs';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { LevelStore } from '@backhaul/spool';

const directory = process.argv[2]!;
const options = { directory, clock: systemClock, logger: silentLogger, ballastBytes: 0 };
const store = new LevelStore({ ...options, writeBufferSize: 64 * 1024 }); // tables and compactions on the way
await store.start();
for (let n = 0; ; n += 1) {
  const key = `k/${String(n).padStart(7, '0')}`;
  await store.commit([{ type: 'put', key, value: Buffer.alloc(1_000, 'x') }]);
  writeSync(1, `ok ${key}\n`);
}
