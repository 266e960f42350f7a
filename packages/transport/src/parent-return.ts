import type { Clock } from '@backhaul/runtime';
import type { ParentPulse } from './parent-pulse.ts';
import type { ParentSet } from './parent-set.ts';

/** Asks the preferred parents, every now and then, while a later one is used; goes back to the first that answers. */
export async function returnToPreferred(
  { parents, pulse, clock }: { parents: ParentSet; pulse: ParentPulse; clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const inMs = parents.returnInMs();
    if (inMs === undefined) await parents.moved(signal);
    else if (inMs > 0) await clock.sleep(inMs, signal);
    else await askPreferred(parents, pulse);
  }
}

async function askPreferred(parents: ParentSet, pulse: ParentPulse): Promise<void> {
  for (const link of parents.preferred()) {
    if (await pulse.isThere(link)) return parents.returned(link);
  }
  parents.stayed();
}
