/**
 * A process that opens damaged stores and tells, as one JSON line each, what it could read: damage may end it.
 *   damage-reader.ts <folder> <first> <count>
 */
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelStore } from '@backhaul/spool';
import { sampleEntries } from '@backhaul/spool/contract';

const [folder, first, count] = process.argv.slice(2) as [string, string, string];
const ALL = { maxMessages: 1_000_000, maxBytes: 1e9 };

for (let trial = Number(first); trial < Number(count); trial += 1) {
  const options = { directory: join(folder, String(trial)), clock: systemClock, logger: silentLogger, ballastBytes: 0 };
  const store = new LevelStore({ ...options, writeBufferSize: 64 * 1024 });
  const spool = new LaneQueue({ store, clock: systemClock, prefix: 'up', maxBytes: 1e9, maxMessages: 1e6 });
  try {
    await store.start();
    await spool.load();
    const read: [string, string][] = [];
    for (let claim = await spool.claim(ALL); claim; claim = await spool.claim(ALL)) {
      for (const { id, header, body } of claim.entries) {
        read.push([id, createHash('sha256').update(header).update(body).digest('hex')]);
      }
    }
    await commitChanges(store, [spool.stage(sampleEntries(3))]);
    const findings = store.findings().map(({ detail }) => detail);
    await store.stop();
    writeSync(1, `trial ${JSON.stringify({ trial, read, findings })}\n`);
  } catch (error) {
    writeSync(1, `trial ${JSON.stringify({ trial, read: [], findings: [], error: String(error) })}\n`);
  }
}
writeSync(1, 'done\n');
