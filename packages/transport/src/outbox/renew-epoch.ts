import { type Lane, type Mark, readHeader, type Tombstone, writeHeader } from '@backhaul/envelope';
import type { Clock, Logger } from '@backhaul/runtime';
import {
  type Claim,
  commitChanges,
  type HoldingsRange,
  type Numbering,
  type Spool,
  type SpoolEntry,
  type Store,
} from '@backhaul/spool';
import type { KnownNumbers } from './known-numbers.ts';
import type { Outbox } from './outbox.ts';
import { inOrder } from './receipts.ts';

/** More than a spool has in practice; beyond it what is told is coarser, then left out. */
const MAX_RANGES = 100_000;
const BATCH = { maxMessages: 256, maxBytes: 4 * 1024 * 1024 };
/** What a receipt says of a number whose message has one of the next epoch. */
const NEW_EPOCH_RULE = 'new-epoch';

export interface NewEpochOptions {
  readonly self: string;
  readonly numbering: Numbering;
  readonly known: KnownNumbers;
  readonly spool: Spool;
  readonly outbox: Pick<Outbox, 'account'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A restored copy shows itself in the first exchange [DESIGN §4]. Either the parent holds more of a lane than it can have from
 * here: those numbers were used for other messages. Or an epoch has appeared after this one: a copy has taken
 * over, and what says this epoch is fenced. Or the parent has `fenced` something of ours already. A new epoch begins, and what
 * this component made itself and still waits gets numbers of it (with its own id: what the parent had already is known again by
 * that); so does what waits under an earlier epoch with numbers that the parent has seen, because a crash came between. Of the old numbers a receipt says so: something
 * above them may have arrived, and they will not. Called before anything is sent.
 */
export async function renewEpochIfRestored(
  options: NewEpochOptions,
  marks: readonly Mark[],
  { fenced = false }: { readonly fenced?: boolean } = {},
): Promise<boolean> {
  const { numbering, store, logger } = options;
  const reason = reasonToRenew(options, marks) ?? (fenced ? { fenced } : undefined);
  if (reason === undefined) return finishRenewal(options, marks);
  const { epoch: superseded } = numbering;
  await commitChanges(store, [numbering.renew()]);
  const renumbered = await renumberOwn(options);
  const fields = { ...reason, superseded, epoch: numbering.epoch, renumbered };
  logger.error(fields, 'this store is a restored copy, or has one: a new epoch begins');
  return true;
}

function reasonToRenew({ self, numbering, known }: NewEpochOptions, marks: readonly Mark[]) {
  const { epoch } = numbering;
  const own = marks.filter(({ source }) => source === self);
  const ahead = own.filter((mark) => mark.epoch === epoch && mark.through > known.highest(mark.lane));
  if (ahead.length > 0) return { ahead };
  const newest = own.find((mark) => mark.newest === true)?.epoch;
  const isKnown = own.some((mark) => mark.epoch === epoch);
  return isKnown && newest !== undefined && newest !== epoch ? { newest } : undefined;
}

/** A crash came between a new epoch and its numbers: under the old ones the parent would take the rest for what it has. */
async function finishRenewal(options: NewEpochOptions, marks: readonly Mark[]): Promise<boolean> {
  const { self, numbering, spool, logger } = options;
  const isUsed = ({ epoch, lane, from }: HoldingsRange): boolean =>
    marks.some((mark) => mark.source === self && mark.epoch === epoch && mark.lane === lane && mark.through >= from);
  const { ranges } = spool.holdings(MAX_RANGES);
  if (!ranges.some((range) => range.source === self && range.epoch !== numbering.epoch && isUsed(range))) return false;
  const renumbered = await renumberOwn(options);
  logger.error({ epoch: numbering.epoch, renumbered }, 'what waited under numbers that were used has new ones');
  return true;
}

/** What others made is left alone: it may be sent meanwhile, and there may be very much of it. */
async function renumberOwn(options: NewEpochOptions): Promise<number> {
  const { self, numbering, spool } = options;
  const isOld = ({ source, epoch }: Pick<SpoolEntry, 'source' | 'epoch'>): boolean =>
    source === self && epoch !== numbering.epoch;
  let renumbered = 0;
  for (;;) {
    const claim = await spool.claimOf(isOld, BATCH);
    if (claim === undefined) return renumbered;
    await renumberClaim(options, claim);
    renumbered += claim.entries.length;
  }
}

/** An entry leaves with its old number in the commit that puts it back with its new one, and tells of the old one. */
async function renumberClaim({ numbering, spool, store, outbox }: NewEpochOptions, claim: Claim): Promise<void> {
  const { lane, entries } = claim;
  try {
    const { first, change } = numbering.stage(lane, entries.length);
    const renewed = entries.map((entry, i) => withPlace(entry, numbering.epoch, first + i));
    const settled = spool.settle(
      claim,
      entries.map(() => ({ outcome: 'accepted' }) as const),
    );
    const placed = spool.stage(renewed, { inPlace: true });
    await commitChanges(store, [change, settled.change, placed, outbox.account(inOrder(entries.map(leftPlace)))]);
  } catch (error) {
    spool.release(claim);
    throw error;
  }
}

function leftPlace({ source, epoch, lane, sequence }: SpoolEntry): Tombstone {
  const place = { source, epoch, lane: lane as Lane, from: sequence, to: sequence };
  return { ...place, reason: 'superseded', rule: NEW_EPOCH_RULE, at: source };
}

function withPlace(entry: SpoolEntry, epoch: string, sequence: number): SpoolEntry {
  const lane = entry.lane as Lane;
  const header = writeHeader({ ...readHeader(entry.header), epoch, lane, sequence });
  return { ...entry, epoch, sequence, header };
}
