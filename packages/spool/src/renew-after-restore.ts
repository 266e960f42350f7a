import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, RESTORE_MARK } from '@backhaul/runtime';
import { commitChanges, type Store } from './store.ts';
import type { Numbering } from './types.ts';

/**
 * A store that was restored on purpose begins a new epoch before it gives another number: those it would give were used
 * before, for other messages, and a parent restored at the same time no longer knows it. What waits keeps its place: it is
 * the same message under the same number. Called after `numbering.load()`; a crash in between only makes one more epoch.
 */
export async function renewAfterRestore(
  dataDirectory: string,
  { store, numbering, logger }: { store: Store; numbering: Numbering; logger: Logger },
): Promise<boolean> {
  const mark = join(dataDirectory, RESTORE_MARK);
  if (!existsSync(mark)) return false;
  await commitChanges(store, [numbering.renew()]);
  await rm(mark);
  logger.warn({ epoch: numbering.epoch }, 'this store was restored from a backup: a new epoch begins');
  return true;
}
