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

async function throttledByMlm(run: DemoRun): Promise<number> {
  const admin = run.runtimes.get('mlm')?.admin;
  if (admin === undefined) return 0;
  const answer = await request(`${admin}/metrics`);
  const text = await answer.body.text();
  return [...text.matchAll(THROTTLED)].reduce((sum, match) => sum + Number(match[1]), 0);
}
