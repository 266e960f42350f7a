import { expiryHere, type Message, readContent, readReceipts, type Tombstone, type Verdict } from '@backhaul/envelope';
import type { ModuleChain } from '@backhaul/modules';
import { type Clock, toBackhaulError } from '@backhaul/runtime';
import { commitChanges, type Seen, type SpoolEntry, type Store } from '@backhaul/spool';
import { type Outbox, type Peer, receiptDrafts } from '@backhaul/transport';
import { type Aggregation, holdingTombstones } from '../aggregation/aggregation.ts';
import { aggregateDrafts } from '../aggregation/make-aggregate.ts';
import type { Membership } from '../membership/membership.ts';
import type { Transfers } from '../transfers/transfers.ts';
import { Batch, type Item, refuse } from './batch.ts';
import type { ForwardMetrics } from './forward-metrics.ts';
import { ModuleView } from './module-view.ts';
import { rangesOf, type SeenRange } from './ranges.ts';

/** How long a sender waits whose lane has too many gaps: the lowest missing message goes first anyway. */
const GAP_WAIT_MS = 1000;
/** Ranges that the receipts of one envelope may settle apart from what has been seen [T-A35]. */
const SETTLED_RANGES = 4096;

export interface ForwardContext {
  /** id of this MLM */
  readonly self: string;
  readonly clock: Clock;
  readonly store: Store;
  readonly seen: Seen;
  readonly membership: Membership;
  readonly modules: ModuleChain;
  readonly aggregation: Aggregation;
  readonly own: Outbox;
  readonly transfers: Pick<Transfers, 'noteUpward'>;
  readonly metrics: ForwardMetrics;
}

/**
 * The way of an envelope up through an MLM. The stages run in one tick, message order kept; each takes what is still
 * `open`; together they make one commit: seen marks, one spool record a lane with the receipts in it, held messages.
 */
export const FORWARD_STAGES = [
  checkSource,
  refuseLoops,
  dropSeen,
  dropExpired,
  settleReceipts,
  noteTransfers,
  runModules,
  markSeen,
  spoolBatch,
] as const;

/** One verdict per message, in order; resolves after everything accepted is durable. Throws BH-E-SPOOL-FULL, BH-E-SPOOL-STOPPED. */
export async function forwardEnvelope(
  context: ForwardContext,
  peer: Peer,
  messages: readonly Message[],
): Promise<readonly Verdict[]> {
  const batch = new Batch(peer, messages, context.clock.now(), context.aggregation.planner());
  for (const stage of FORWARD_STAGES) stage(context, batch);
  await commitChanges(context.store, batch.changes); // [S1] also for a batch of nothing but duplicates: the first copy may be on its way to the disk
  context.metrics.count(batch);
  return batch.verdicts();
}

/** A message comes from the peer itself or from its subtree, as the membership has it [T-A19]. */
function checkSource({ membership }: ForwardContext, batch: Batch): void {
  const child = batch.peer.identity.id;
  const { tree } = membership;
  for (const item of batch.items) {
    const { source, locator } = item.message.header;
    if (locator === 'source' && tree.isAtOrBelow(source, child)) continue;
    refuse(item, 'BH-E-SPOOF', { detail: `${source} is not below ${child}`, retryable: false });
  }
}

/** [E2] A message that has been here before goes in a circle. */
function refuseLoops({ self }: ForwardContext, batch: Batch): void {
  for (const item of batch.items) {
    const { header } = item.message;
    if (item.fate !== 'open') continue;
    if (header.source !== self && !header.routing.some(({ id }) => id === self)) continue;
    refuse(item, 'BH-E-LOOP', { detail: self, retryable: false });
  }
}

/** Retries are free: what is here already is accepted again, once more in the same envelope, too [DESIGN §4.3]. */
function dropSeen({ seen }: ForwardContext, batch: Batch): void {
  const here = new Set<string>();
  for (const item of batch.items) {
    if (item.fate !== 'open') continue;
    const { source, epoch, lane, sequence } = item.message.header;
    const identity = `${source}/${epoch}/${lane}/${sequence}`;
    if (here.has(identity) || seen.has(source, epoch, lane, sequence)) item.fate = 'seen';
    else if (!seen.hasRoom(source, epoch, lane, sequence)) {
      refuse(item, 'BH-E-SEEN-BOUND', { retryable: true, waitMs: GAP_WAIT_MS });
    } else here.add(identity);
  }
}

/** Past its time: accepted, and accounted for by a tombstone. */
function dropExpired({ self }: ForwardContext, batch: Batch): void {
  for (const item of batch.items) {
    if (item.fate !== 'open') continue;
    const expiresAt = expiryHere(item.message.header, batch.now);
    if (expiresAt === undefined) continue;
    item.expiresAt = expiresAt;
    if (expiresAt > batch.now) continue;
    item.fate = 'removed';
    batch.tombstones.push(tombstone(item, 'expired', undefined, self));
  }
}

/** A receipt from below passes on like any message, and what it speaks of is marked as seen here: it will not come. */
function settleReceipts({ membership, seen }: ForwardContext, batch: Batch): void {
  const child = batch.peer.identity.id;
  for (const item of batch.items) {
    const { header, body } = item.message;
    if (item.fate !== 'open' || header.subclass !== 'receipt' || header.class !== 'infrastructure') continue;
    try {
      const ranges = readReceipts(readContent(body));
      const foreign = ranges.find(({ source }) => !membership.tree.isAtOrBelow(source, child));
      if (foreign === undefined) settle(item, ranges, seen, batch);
      else refuse(item, 'BH-E-SPOOF', { detail: `a receipt for ${foreign.source}`, retryable: false });
    } catch (error) {
      const { code, detail } = toBackhaulError(error);
      refuse(item, code, { ...(detail === undefined ? {} : { detail }), retryable: false });
    }
  }
}

/** What does not fit comes again with its receipt: by then the lowest gaps may have been filled [T-A35]. */
function settle(item: Item, ranges: readonly SeenRange[], seen: Seen, batch: Batch): void {
  const fitting = ranges.filter((range) => joins(range, seen) || hasRoom(range, seen, batch));
  batch.settled.push(...fitting);
  if (fitting.length < ranges.length) refuse(item, 'BH-E-SEEN-BOUND', { retryable: true, waitMs: GAP_WAIT_MS });
}

/** It touches what has been seen: no gap more. */
function joins({ source, epoch, lane, from, to }: SeenRange, seen: Seen): boolean {
  return [from - 1, from, to, to + 1].some((sequence) => seen.has(source, epoch, lane, sequence));
}

function hasRoom({ source, epoch, lane, from }: SeenRange, seen: Seen, { settled }: Batch): boolean {
  return settled.length < SETTLED_RANGES && seen.hasRoom(source, epoch, lane, from);
}

/** What members say of software that was offered to them moves the transfer on. */
function noteTransfers({ transfers }: ForwardContext, batch: Batch): void {
  const answers = batch
    .open()
    .filter(({ message: { header } }) => header.class === 'software' || header.subclass === 'transfer');
  if (answers.length > 0) batch.changes.push(...transfers.noteUpward(answers.map(({ message }) => message)));
}

/** Filter, aggregate and throttle, in the order of the configuration; only modules that subscribe to the class are asked. */
function runModules({ modules, self }: ForwardContext, batch: Batch): void {
  for (const item of batch.items) {
    const { message } = item;
    if (item.fate !== 'open' || !modules.wants(message.header) || isReceipt(message)) continue;
    const { action, module } = modules.decide(new ModuleView(message));
    if (action.do === 'drop') {
      item.fate = 'removed';
      batch.tombstones.push(tombstone(item, 'filtered', action.rule, self));
    } else if (action.do === 'hold') {
      const expiry = item.expiresAt === undefined ? {} : { expiresAt: item.expiresAt };
      if (batch.holding.hold(module, action, { message, receivedAt: batch.now, ...expiry })) item.fate = 'held';
    } else if (action.do === 'refuse') {
      refuse(item, action.code, { detail: module, retryable: true, waitMs: action.waitMs });
    }
  }
}

/** In the commit of its effect [DESIGN §4.3]. */
function markSeen({ seen }: ForwardContext, batch: Batch): void {
  const taken = batch.items.filter(({ fate }) => fate === 'open' || fate === 'removed' || fate === 'held');
  const ranges = [...rangesOf(taken.map(({ message }) => message.header)), ...batch.settled];
  if (ranges.length > 0) batch.changes.push(seen.stage(ranges));
}

/** [A1, A2] What goes on, the receipts of what does not, the aggregates that are full: one record a lane. */
function spoolBatch({ own, aggregation, modules, self }: ForwardContext, batch: Batch): void {
  const { holding, now } = batch;
  const newId = () => own.newId();
  const aggregates = holding.closed.flatMap((group) => aggregateDrafts(modules, group, now, newId));
  const receipts = receiptDrafts([...batch.tombstones, ...holdingTombstones(holding, self)]);
  const entries = batch.open().map((item) => entryOf(item, now));
  batch.changes.push(...own.stageAll([...receipts, ...aggregates], entries), aggregation.stage(holding));
}

function isReceipt({ header }: Message): boolean {
  return header.class === 'infrastructure' && header.subclass === 'receipt';
}

function tombstone(item: Item, reason: 'expired' | 'filtered', rule: string | undefined, at: string): Tombstone {
  const { source, epoch, lane, sequence } = item.message.header;
  return { source, epoch, lane, from: sequence, to: sequence, reason, ...(rule === undefined ? {} : { rule }), at };
}

/** The bytes as they came [E5]; this hop's routing element is added when it is sent on. */
function entryOf({ message: { header, headerBytes, body }, expiresAt }: Item, receivedAt: number): SpoolEntry {
  return {
    id: header.id,
    source: header.source,
    epoch: header.epoch,
    lane: header.lane,
    sequence: header.sequence,
    class: header.class,
    subclass: header.subclass,
    header: headerBytes,
    body,
    receivedAt,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    persistent: header.qos.persistent,
  };
}
