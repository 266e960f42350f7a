import { type Lane, type Mark, readHeader, writeHeader } from '@backhaul/envelope';
import type { Clock, Logger } from '@backhaul/runtime';
import { type Claim, commitChanges, type Numbering, type Spool, type SpoolEntry, type Store } from '@backhaul/spool';

const BATCH = { maxMessages: 256, maxBytes: 4 * 1024 * 1024 };
/** What others made waits so long while this component's own messages are numbered anew. */
const PAUSE_MS = 5_000;

export interface NewEpochOptions {
  readonly self: string;
  readonly numbering: Numbering;
  readonly spool: Spool;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A restored copy shows itself in the first exchange: the parent holds more of a lane than was ever given here, so numbers
 * from there on were used before for other messages [DESIGN §4]. A new epoch begins, and what this component made
 * itself and still waits gets numbers of it (with its own id: what the parent had already is known again by that). Called before anything is sent.
 */
export async function renewEpochIfRestored(options: NewEpochOptions, marks: readonly Mark[]): Promise<boolean> {
  const { self, numbering, store, logger } = options;
  const { epoch } = numbering;
  const ahead = marks.filter(
    (mark) => mark.source === self && mark.epoch === epoch && mark.through > numbering.last(mark.lane),
  );
  if (ahead.length === 0) return false;
  await commitChanges(store, [numbering.renew()]);
  const renumbered = await renumberOwn(options, epoch);
  logger.error({ ahead, epoch: numbering.epoch, renumbered }, 'this store is a restored copy: a new epoch begins');
  return true;
}

async function renumberOwn(options: NewEpochOptions, oldEpoch: string): Promise<number> {
  const { self, spool, clock } = options;
  const notBefore = clock.now() + PAUSE_MS;
  let renumbered = 0;
  for (let claim = await spool.claim(BATCH); claim !== undefined; claim = await spool.claim(BATCH)) {
    const isOld = (entry: SpoolEntry): boolean => entry.source === self && entry.epoch === oldEpoch;
    if (claim.entries.some(isOld)) renumbered += await renumberClaim(options, claim, isOld, notBefore);
    else spool.release(claim, notBefore);
  }
  return renumbered;
}

/** An entry leaves with its old number in the commit that puts it back with its new one. */
async function renumberClaim(
  { numbering, spool, store }: NewEpochOptions,
  claim: Claim,
  isOld: (entry: SpoolEntry) => boolean,
  notBefore: number,
): Promise<number> {
  const old = claim.entries.filter(isOld);
  const { first, change } = numbering.stage(claim.lane, old.length);
  const renewed = old.map((entry, i) => withPlace(entry, numbering.epoch, first + i));
  const settlements = claim.entries.map((entry) =>
    isOld(entry) ? ({ outcome: 'accepted' } as const) : ({ outcome: 'retry', notBefore } as const),
  );
  const settled = spool.settle(claim, settlements);
  await commitChanges(store, [change, settled.change, spool.stage(renewed, { receipts: true })]);
  return old.length;
}

function withPlace(entry: SpoolEntry, epoch: string, sequence: number): SpoolEntry {
  const lane = entry.lane as Lane;
  const header = writeHeader({ ...readHeader(entry.header), epoch, lane, sequence });
  return { ...entry, epoch, sequence, header };
}
