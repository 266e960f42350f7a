/**
 * A process that opens stores and tells what it found in each, for damage may end it: a folder on each line of standard input, an
 * `Inspection` as JSON on each line of standard output.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '@backhaul/runtime';
import { commitChanges } from '@backhaul/spool';
import { sampleEntry } from '@backhaul/spool/contract';
import { Cores } from './cores.ts';
import type { Inspection } from './inspector.ts';

const TRIES = 3;
/** A recovery takes as long as a disk does; it is given five seconds. */
const LOOKS = 1_000;

async function inspect(directory: string): Promise<Inspection> {
  const cores = new Cores(directory);
  const begun = systemClock.monotonic();
  try {
    await cores.start();
  } catch (error) {
    return {
      contents: {},
      findings: [],
      openMs: 0,
      error: `${(error as Error).message} ${String((error as Error).cause)}`,
    };
  }
  const openMs = systemClock.monotonic() - begun;
  try {
    const contents = await cores.contents();
    await goOn(cores);
    return { contents, findings: cores.store.findings().map(({ detail }) => detail), openMs };
  } catch (error) {
    const findings = cores.store.findings().map(({ detail }) => detail);
    return { contents: {}, findings, openMs, error: `opens, but: ${(error as Error).stack}` };
  } finally {
    await cores.store.stop();
  }
}

/** Service goes on: damage that a compaction meets may refuse one commit, and heals. */
async function goOn({ store, up }: Cores): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    try {
      await commitChanges(store, [up.stage([sampleEntry({ body: Buffer.alloc(100_000, 7) })])]);
      return;
    } catch (error) {
      if (left === 0 || (error as { retryable?: boolean }).retryable !== true) throw error;
    }
    for (let look = 0; look < LOOKS && !(store.state === 'open' && store.accepting); look += 1)
      await systemClock.sleep(5);
  }
}

for await (const directory of createInterface({ input: process.stdin }))
  writeSync(1, `${JSON.stringify(await inspect(directory))}\n`);
