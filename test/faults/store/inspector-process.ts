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
    await commitChanges(cores.store, [cores.up.stage([sampleEntry({ body: Buffer.alloc(100_000, 7) })])]); // service goes on
    return { contents, findings: cores.store.findings().map(({ detail }) => detail), openMs };
  } catch (error) {
    const findings = cores.store.findings().map(({ detail }) => detail);
    return { contents: {}, findings, openMs, error: `opens, but: ${(error as Error).stack}` };
  } finally {
    await cores.store.stop();
  }
}

for await (const directory of createInterface({ input: process.stdin }))
  writeSync(1, `${JSON.stringify(await inspect(directory))}\n`);
