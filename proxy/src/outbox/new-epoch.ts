import { type Lane, type Mark, readHeader, writeHeader } from '@backhaul/envelope';
import type { Logger } from '@backhaul/runtime';
import { commitChanges, type Numbering, type Spool, type SpoolEntry, type Store } from '@backhaul/spool';

/** Entries taken for one commit while the spool is numbered anew. */
const BATCH = { maxMessages: 1024, maxBytes: 16 * 1024 * 1024 };

export interface NewEpochOptions {
  readonly self: string;
  readonly numbering: Numbering;
  readonly spool: Spool;
  readonly store: Store;
  readonly logger: Logger;
}

/**
 * A restored copy shows itself in the first exchange [DESIGN §4]: the parent holds more of a lane than was ever given here.
 * The numbers from there on were used before, for other messages. So a new epoch begins, and everything that waits gets
 * numbers of it (with its own id: what the parent had already is known again by that). Called before anything is sent.
 */
export async function beginNewEpochIfRestored(options: NewEpochOptions, marks: readonly Mark[]): Promise<boolean> {
  const { numbering, logger } = options;
  const ahead = marks.filter((mark) => isAhead(mark, options));
  if (ahead.length === 0) return false;
  const epoch = numbering.epoch;
  await commitChanges(options.store, [numbering.renew()]);
  const renumbered = await renumberAll(options, epoch);
  logger.warn({ ahead, epoch: numbering.epoch, renumbered }, 'this is a restored copy: a new epoch begins');
  return true;
}

function isAhead(mark: Mark, { self, numbering }: NewEpochOptions): boolean {
  return mark.source === self && mark.epoch === numbering.epoch && mark.through > numbering.last(mark.lane);
}

/** Batch by batch: an entry leaves with its old number in the commit that puts it back with its new one. */
async function renumberAll({ numbering, spool, store }: NewEpochOptions, oldEpoch: string): Promise<number> {
  let renumbered = 0;
  const kept = [];
  for (let claim = await spool.claim(BATCH); claim !== undefined; claim = await spool.claim(BATCH)) {
    if (!claim.entries.some(({ epoch }) => epoch === oldEpoch)) {
      kept.push(claim); // the new epoch's own; given back at the end
      continue;
    }
    const lane = claim.lane as Lane;
    const { first, change } = numbering.stage(lane, claim.entries.length);
    const entries = claim.entries.map((entry, index) => withPlace(entry, numbering.epoch, first + index));
    const settled = spool.settle(
      claim,
      claim.entries.map(() => ({ outcome: 'accepted' as const })),
    );
    await commitChanges(store, [change, settled.change, spool.stage(entries, { receipts: true })]);
    renumbered += entries.length;
  }
  for (const claim of kept) spool.release(claim);
  return renumbered;
}

function withPlace(entry: SpoolEntry, epoch: string, sequence: number): SpoolEntry {
  const header = writeHeader({ ...readHeader(entry.header), epoch, sequence });
  return { ...entry, epoch, sequence, header };
}
