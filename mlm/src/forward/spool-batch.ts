import { BackhaulError } from '@backhaul/runtime';
import type { Change, SpoolEntry } from '@backhaul/spool';
import { type Draft, receiptDrafts } from '@backhaul/transport';
import { holdingTombstones } from '../aggregation/aggregation.ts';
import { aggregateDrafts } from '../aggregation/make-aggregate.ts';
import type { Batch } from './batch.ts';
import { entryOf } from './entry-of.ts';
import type { ForwardContext } from './forward-context.ts';
import { rangesOf } from './ranges.ts';
import { isWantOfRoom, refuseForRoom } from './room.ts';

/** [A1, A2] What goes on, the receipts of what does not, the aggregates that are full: one record a lane. */
export function spoolBatch(context: ForwardContext, batch: Batch): void {
  const { own, aggregation, modules, self } = context;
  const { holding, now } = batch;
  const newId = () => own.newId();
  const aggregates = holding.closed.flatMap((group) => aggregateDrafts(modules, group, now, newId));
  const receipts = receiptDrafts([...batch.tombstones, ...holdingTombstones(holding, self)]);
  const entries = batch.open().map((item) => entryOf(item, batch));
  const staged = stageWithin(context, [...receipts, ...batch.notices, ...aggregates], entries);
  if (staged instanceof BackhaulError) {
    batch.takeNothing((item) => refuseForRoom(item, staged));
    return;
  }
  batch.changes.push(...staged, aggregation.stage(holding), ...tellLost(context, batch));
}

/** The receipts are among the drafts; this is for people here, and for the source. */
function tellLost({ spool, rejections }: ForwardContext, batch: Batch): Change[] {
  const lost = batch.lost.map(({ item, ...why }) => ({ entry: entryOf(item, batch), ...why }));
  const letters = lost.flatMap(({ entry, code, detail }) =>
    code === undefined ? [] : [spool.addDeadLetter(entry, code, detail)],
  );
  return [...letters, ...rejections.stage(lost)];
}

/** The account of what is not sent on may use the room kept for it, when the ordinary room is used up. */
function stageWithin({ own, store }: ForwardContext, drafts: readonly Draft[], entries: readonly SpoolEntry[]) {
  let missing: BackhaulError | undefined;
  for (const receipts of [false, true]) {
    try {
      return own.stageAll(drafts, entries, { receipts });
    } catch (thrown) {
      if (!isWantOfRoom(thrown) || !store.accepting) throw thrown;
      missing = thrown;
    }
  }
  return missing!;
}

/** In the commit of its effect [DESIGN §4.3]. */
export function markSeen({ seen }: ForwardContext, batch: Batch): void {
  const taken = batch.items.filter(({ fate }) => fate === 'open' || fate === 'removed' || fate === 'held');
  const ranges = [...rangesOf(taken.map(({ message }) => message.header)), ...batch.settled];
  if (ranges.length > 0) batch.changes.push(seen.stage(ranges));
}
