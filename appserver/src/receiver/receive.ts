import { readReceipts } from '@backhaul/envelope';
import { isAtOrBelow } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { type EpochWatch, epochRefusal } from '@backhaul/transport';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import type { ComponentRecord, ComponentTree } from '../directory/component-tree.ts';
import type { LedgerWriter } from '../ledger/ledger-writer.ts';
import type { ModuleHost } from '../service-modules/module-host.ts';
import type { Transaction } from '../store/database.ts';
import type { Arrival } from './arrival.ts';
import type { EventKeys } from './event-keys.ts';
import type { MessageWriter } from './message-writer.ts';
import type { Fault, Refusals } from './refusals.ts';
import type { SeenChanges, Stream } from './seen.ts';

/** The way of an envelope through this application server, all in one transaction; the answer follows the commit. */
export const RECEIVE_STAGES = [
  checkSource,
  dropSeen,
  checkEpoch,
  recallRefusals,
  settleReceipts,
  dispatch,
  store,
] as const;

/** The way of a message that could not be taken although it stood alone; `fault` says why. */
export const FAULT_STAGES = [checkSource, dropSeen, checkEpoch, recallRefusals, countFault, store] as const;

export interface ReceiveContext {
  readonly tx: Transaction;
  /** the direct child that sent the envelope */
  readonly peer: ComponentRecord;
  readonly tree: ComponentTree;
  readonly seen: SeenChanges;
  readonly ledger: LedgerWriter;
  readonly modules: ModuleHost;
  readonly writer: MessageWriter;
  readonly epochWatch: EpochWatch;
  readonly monotonicNow: number;
  readonly eventKeys: EventKeys;
  readonly refusals: Refusals;
  readonly deadLetters: Pick<DeadLetters, 'add'>;
  readonly fault?: Fault;
  readonly onDuplicate: () => void;
  readonly onSameEvent: () => void;
  /** two live components have the identity of the peer */
  readonly onClone: () => void;
}

/** How long a sender waits that has too many gaps open. */
const SEEN_BOUND_WAIT_MS = 1_000;

const travelling = (arrivals: readonly Arrival[]): Arrival[] => arrivals.filter(({ verdict }) => verdict === undefined);

/** Whoever sends, sends only what comes from its own subtree, about instances of that subtree [DESIGN §7]. */
export async function checkSource({ peer, tree }: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  for (const arrival of arrivals) {
    const { source, instance, locator, routing } = arrival.header;
    const sender = tree.get(source);
    if (locator !== 'source') arrival.refuse('BH-E-XML-VALUE', 'locator: only upward messages are taken here');
    else if (!sender || !tree.isBelow(source, peer.id))
      arrival.refuse('BH-E-SPOOF', `${source} is not below ${peer.id}`);
    else if (routing.some(({ id }) => id === tree.self))
      arrival.refuse('BH-E-LOOP', `${tree.self} is in the routing already`); // [E2]
    else settleScope(arrival, sender, instance, tree);
  }
}

/** A row belongs to the customer and site of what it is about; of who sent it when it is about nothing in particular. */
function settleScope(
  arrival: Arrival,
  sender: ComponentRecord,
  instance: string | undefined,
  tree: ComponentTree,
): void {
  const subject = instance === undefined ? sender : tree.ownerOf(instance);
  const inSubtree = subject && (isAtOrBelow(subject.id, sender.id) || tree.isBelow(subject.id, sender.id));
  if (!inSubtree) arrival.refuse('BH-E-SPOOF', `${instance} is not below ${sender.id}`);
  else arrival.scope = { customer: subject.customer, site: subject.site, instance: instance ?? null };
}

/** What has been stored already is answered as it was then; nothing happens twice [DESIGN §4.3]. */
export async function dropSeen(
  { seen, ledger, tx, onDuplicate }: ReceiveContext,
  arrivals: readonly Arrival[],
): Promise<void> {
  const inThisEnvelope = new Set<string>();
  let before: Arrival['header'] | undefined;
  for (const arrival of travelling(arrivals)) {
    const { source, epoch, lane, sequence } = arrival.header;
    const identity = `${source} ${epoch} ${lane} ${sequence}`;
    const twice = inThisEnvelope.has(identity);
    inThisEnvelope.add(identity);
    if (twice || (seen.has(arrival.header, sequence) && !(await ledger.isBuried(tx, arrival.header, sequence)))) {
      onDuplicate();
      arrival.accept();
    } else if (isNext(before, arrival.header) || seen.hasRoom(arrival.header, { first: sequence, last: sequence })) {
      before = arrival.header;
    } else arrival.refuse('BH-E-SEEN-BOUND', `${source} lane ${lane}`, true, SEEN_BOUND_WAIT_MS);
  }
}

/** What follows one that has room makes no gap more. */
function isNext(before: Arrival['header'] | undefined, header: Arrival['header']): boolean {
  return before !== undefined && before.sequence + 1 === header.sequence && isSame(before, header);
}

/**
 * A direct child that speaks in an epoch which it has left itself is an older copy of it: nothing new is taken until it
 * has said hello and begun an epoch of its own [DESIGN §4]. Only here: in what comes through other hops, messages of
 * older epochs may still be on their way.
 */
export async function checkEpoch(context: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  const { peer, seen, epochWatch, monotonicNow, onClone } = context;
  const cloned = epochWatch.isClone(peer.id);
  for (const arrival of travelling(arrivals)) {
    const { source, epoch } = arrival.header;
    if (source !== peer.id) continue;
    const judgement = epochWatch.judge(source, epoch, seen.knowledgeOf(source, epoch), monotonicNow);
    const refusal = epochRefusal(judgement, epoch);
    if (refusal) arrival.refuse(refusal.code, refusal.detail ?? refusal.sentence, true, refusal.retryAfterMs);
  }
  if (!cloned && epochWatch.isClone(peer.id)) onClone();
}

/** What was refused for good is refused again as it was; what failed a moment ago waits. */
export async function recallRefusals(
  { refusals, monotonicNow }: ReceiveContext,
  arrivals: readonly Arrival[],
): Promise<void> {
  for (const arrival of travelling(arrivals)) refusals.recall(arrival, monotonicNow);
}

/** Receipts say what will not come, and why. */
export async function settleReceipts(context: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  for (const arrival of travelling(arrivals)) {
    if (arrival.header.class !== 'infrastructure' || arrival.header.subclass !== 'receipt') continue;
    await settleReceipt(context, arrival).catch((error) => {
      if (!(error instanceof BackhaulError)) throw error;
      arrival.refuse(error.code, error.detail ?? error.sentence);
    });
  }
}

async function settleReceipt({ tx, tree, peer, ledger, seen }: ReceiveContext, arrival: Arrival): Promise<void> {
  const tombstones = readReceipts(arrival.content());
  const foreign = tombstones.find(({ source }) => !tree.isBelow(source, peer.id));
  if (foreign) return arrival.refuse('BH-E-SPOOF', `a receipt for ${foreign.source}, which is not below ${peer.id}`);
  if (tombstones.some(({ at }) => at === tree.self))
    return arrival.refuse('BH-E-SPOOF', `a receipt in the name of ${tree.self}`);
  let waiting = 0;
  for (const tombstone of tombstones) {
    if (seen.hasRoom(tombstone, { first: tombstone.from, last: tombstone.to }))
      await ledger.bury(tx, seen, tombstone, arrival.receivedAt);
    else waiting++; // [T-A35] the receipt comes again; by then the lowest gaps may have been filled
  }
  if (waiting > 0) arrival.refuse('BH-E-SEEN-BOUND', `${waiting} ranges`, true, SEEN_BOUND_WAIT_MS);
}

/** It waits, or is set aside. */
export async function countFault(context: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  const { tx, refusals, fault, monotonicNow } = context;
  for (const arrival of travelling(arrivals)) await refusals.fault(tx, arrival, fault!, monotonicNow);
}

/** Service modules, by class and subclass; once for each event and each message, whichever way it came. */
export async function dispatch(context: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  const { tx, seen, modules, eventKeys, refusals, monotonicNow } = context;
  const taken = new Set<string>();
  for (const arrival of travelling(arrivals)) {
    const { id, source, eventKey } = arrival.header;
    const isRepeatable = eventKey !== undefined || seen.isRenumbered(arrival.header);
    const first = taken.has(`${source} ${id}`) ? id : isRepeatable ? await eventKeys.find(tx, arrival) : undefined;
    if (first !== undefined) {
      arrival.setAside({ kind: 'duplicate', of: first });
      continue;
    }
    const outcome = await modules.dispatch(tx, arrival);
    if (outcome === undefined) {
      taken.add(`${source} ${id}`);
      if (eventKey !== undefined) await eventKeys.keep(tx, arrival);
    } else if ('detail' in outcome) await refusals.fault(tx, arrival, outcome, monotonicNow);
    else await refusals.remember(tx, arrival, outcome.module);
  }
}

/** Rows, marks and totals of what is left; with the commit that follows, it is accepted. */
export async function store(context: ReceiveContext, arrivals: readonly Arrival[]): Promise<void> {
  const { tx, peer, tree, seen, ledger, writer, deadLetters, refusals, onSameEvent } = context;
  const kept = travelling(arrivals);
  const messages = kept.filter(({ aside }) => aside === undefined);
  const aside = kept.filter((arrival) => arrival.aside !== undefined);
  await writer.write(tx, peer.id, messages);
  await deadLetters.add(
    tx,
    peer.id,
    aside.filter((arrival) => arrival.aside?.kind === 'dead-letter'),
  );
  await ledger.settleArrived(tx, seen, messages);
  if (aside.length > 0) await ledger.settleAside(tx, aside);
  for (const { stream, first, last } of runs(kept)) {
    const hearing = { owner: tree.get(stream.source)!, direct: stream.source === peer.id, at: kept[0]!.receivedAt };
    await seen.add(tx, stream, first, last, hearing);
  }
  for (const arrival of kept) {
    if (refusals.has(arrival)) await refusals.forget(tx, arrival);
    if (arrival.aside?.kind === 'duplicate') onSameEvent();
    arrival.accept();
  }
}

/** Sequences of one stream that follow one another, as one interval. */
function runs(arrivals: readonly Arrival[]): { stream: Stream; first: number; last: number }[] {
  const list: { stream: Stream; first: number; last: number }[] = [];
  for (const { header } of arrivals) {
    const open = list.at(-1);
    if (open && open.last + 1 === header.sequence && isSame(open.stream, header)) open.last = header.sequence;
    else list.push({ stream: header, first: header.sequence, last: header.sequence });
  }
  return list;
}

const isSame = (a: Stream, b: Stream): boolean => a.source === b.source && a.epoch === b.epoch && a.lane === b.lane;
