import type { Fleet } from '../fleet/fleet.ts';
import { type LoadOptions, load } from './load.ts';

const LIMIT_MS = 10 * 60_000;
/** Asking for the metrics costs an application server milliseconds: seldom, and more exactly towards the end. */
const ASK_MS = { least: 10, most: 500, ofTheRest: 0.8 } as const;

/** Seconds from the first call until the application server has all of them in its database. */
export async function loadStored(fleet: Fleet, messages: number, options: LoadOptions = {}): Promise<number> {
  const before = await storedBy(fleet);
  const { startedAt } = await load(fleet.proxies[0]!.runtime!.listeners.integrator!, messages, options);
  for (;;) {
    const stored = (await storedBy(fleet)) - before;
    const elapsed = performance.now() - startedAt;
    if (stored >= messages) return elapsed / 1000;
    if (elapsed > LIMIT_MS) throw new Error(`${stored} of ${messages} messages stored within ${LIMIT_MS} ms`);
    const rest = (elapsed / Math.max(1, stored)) * (messages - stored);
    const wait = Math.min(ASK_MS.most, Math.max(ASK_MS.least, rest * ASK_MS.ofTheRest));
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function storedBy(fleet: Fleet): Promise<number> {
  const figures = await fleet.appserver.metrics();
  const of = (name: string) => figures.get(`backhaul_appserver_messages_${name}_total`) ?? 0;
  return of('accepted') - of('duplicate');
}
