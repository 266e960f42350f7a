import { request } from 'undici';
import { z } from 'zod';
import type { DemoRun } from './demo-run.ts';

/** Counts since the stores were made; the demo shows the difference to its start. */
export interface Summary {
  readonly filtered: number;
  readonly merged: number;
  readonly throttled: number;
}

export const NOTHING: Summary = { filtered: 0, merged: 0, throttled: 0 };

const summaryShape = z.looseObject({ filtered: z.number(), merged: z.number() });
const THROTTLED = /^backhaul_mlm_messages_refused_total\{[^}]*BH-E-THROTTLE[^}]*\} (\d+)/gm;

/** What the ledger of the application server counts, and what the MLM itself counts since its start. */
export async function readSummary(run: DemoRun): Promise<Summary> {
  const { filtered, merged } = await run.api.get('/metrics-summary', summaryShape);
  return { filtered, merged, throttled: await throttledByMlm(run) };
}

const LINE_BYTES = /^backhaul_mlm_(uplink|relay)_bytes_total\{[^}]*\} (\d+)/gm;

/** Bytes of all envelopes on the MLM's two sides, both directions, since it was started. */
export async function readLineBytes(run: DemoRun): Promise<{ envelopesWan: number; envelopesLan: number }> {
  const counts = [...(await mlmMetrics(run)).matchAll(LINE_BYTES)];
  const sum = (side: string): number =>
    counts.filter((match) => match[1] === side).reduce((total, match) => total + Number(match[2]), 0);
  return { envelopesWan: sum('uplink'), envelopesLan: sum('relay') };
}

async function throttledByMlm(run: DemoRun): Promise<number> {
  return [...(await mlmMetrics(run)).matchAll(THROTTLED)].reduce((sum, match) => sum + Number(match[1]), 0);
}

async function mlmMetrics(run: DemoRun): Promise<string> {
  const admin = run.runtimes.get('mlm')?.admin;
  return admin === undefined ? '' : (await request(`${admin}/metrics`)).body.text();
}
