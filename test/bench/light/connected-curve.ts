import { atRest } from '../measure/at-rest.ts';
import { peakMemory } from '../measure/peak-memory.ts';
import { cpuSeconds, residentMiB } from '../measure/process-figures.ts';
import { Crowd } from './crowd.ts';
import { MlmRow } from './mlm-row.ts';
import { StandInParent } from './stand-in-parent.ts';

const MINUTE_MS = 60_000;
/** Between two looks at the memory: it takes reading all of /proc. */
const LOOK_MS = 1_000;

export interface CurvePoint {
  readonly proxies: number;
  /** of the MLM that knows them all, before the first one has called */
  readonly aloneMiB: number;
  readonly idle: Load;
  /** at one message a minute each */
  readonly talking: Load & { readonly messages: number };
}

export interface Load {
  /** at most */
  readonly residentMiB: number;
  /** share of one core */
  readonly core: number;
  readonly seconds: number;
}

/** One MLM with so many connected proxies, idle for a while, then talking. */
export async function curvePoint(proxies: number, windowMs: number, settleMs: number): Promise<CurvePoint> {
  const parent = await new StandInParent().start();
  let messages = 0;
  parent.onMessage = ({ header }) => {
    if (header.class === 'x-load') messages += 1;
  };
  let row: MlmRow | undefined;
  let crowd: Crowd | undefined;
  try {
    row = await MlmRow.start({ proxies, parentUrl: parent.url });
    const { pids } = row;
    await atRest();
    const aloneMiB = residentMiB(pids);
    const processes = proxies > 1_000 ? 2 : 1;
    crowd = await Crowd.gather(new URL('proxy-crowd.ts', import.meta.url), proxies, row.lowestUrl, processes);
    await sleep(settleMs);
    const idle = await load(pids, windowMs);
    await crowd.talk(MINUTE_MS);
    await sleep(settleMs);
    const before = messages;
    const talking = await load(pids, windowMs);
    return { proxies, aloneMiB, idle, talking: { ...talking, messages: messages - before } };
  } finally {
    await crowd?.dismiss();
    await row?.stop();
    await parent.stop();
  }
}

async function load(pids: readonly number[], windowMs: number): Promise<Load> {
  const [cpuBefore, began] = [cpuSeconds(pids), performance.now()];
  const { peakMiB } = await peakMemory(pids, () => sleep(windowMs), LOOK_MS);
  const seconds = (performance.now() - began) / 1000;
  return { residentMiB: peakMiB, core: (cpuSeconds(pids) - cpuBefore) / seconds, seconds };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
