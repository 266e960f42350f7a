import type { Clock, Logger } from '@backhaul/runtime';
import type { Store } from '@backhaul/spool';
import { HELD_PREFIX, type HoldingGroup, MAX_WINDOW_MS, type StoredGroup } from './aggregation.ts';
import { decodeHeld, type HeldMessage } from './held-message.ts';

/** The groups as they stand in the store; their windows go on where they were. */
export async function loadGroups(store: Store, clock: Clock, logger: Logger): Promise<HoldingGroup[]> {
  const groups = new Map<string, StoredGroup & { parts: HeldMessage[] }>();
  for await (const [key, value] of store.scan(HELD_PREFIX)) {
    const [id = '', part] = key.slice(HELD_PREFIX.length).split('/');
    if (part === undefined)
      groups.set(id, { ...(JSON.parse(Buffer.from(value).toString()) as StoredGroup), parts: [] });
    else if (groups.has(id)) groups.get(id)?.parts.push(decodeHeld(value));
    else logger.error({ key }, 'a held message without its group');
  }
  const now = clock.now();
  return [...groups.values()].map((group) => ({
    ...group,
    deadline: Math.min(group.deadline, now + (group.windowMs ?? MAX_WINDOW_MS)), // further off: the clock was wrong
    stored: group.parts.length,
  }));
}
