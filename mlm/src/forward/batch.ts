import type { Message, Tombstone, Verdict } from '@backhaul/envelope';
import type { BackhaulError, ErrorCode } from '@backhaul/runtime';
import type { Change, SpoolEntry } from '@backhaul/spool';
import type { Draft, Peer } from '@backhaul/transport';
import type { HoldingPlanner } from '../aggregation/aggregation.ts';
import type { SeenRange } from './ranges.ts';

/**
 * What becomes of one message of an envelope:
 * `open` still on its way through the stages, spooled at the end · `seen` it is here already, accepted again ·
 * `removed` dropped with a tombstone · `held` waits for its aggregate · `relayed` sent on at once, answered as the parent
 * answers, nothing of it kept here · `refused` not accepted, nothing remembered.
 */
export type Fate = 'open' | 'seen' | 'removed' | 'held' | 'relayed' | 'refused';

export interface Item {
  readonly message: Message;
  fate: Fate;
  /** wall ms at this component */
  expiresAt?: number;
  /** as the spool keeps it, once somebody has asked */
  entry?: SpoolEntry;
  refusal?: Verdict;
}

/** A message that was accepted and is lost here; with a code when it was given up: then it is kept for people to look at. */
export interface Lost {
  readonly item: Item;
  readonly reason: 'expired' | 'dead-letter';
  readonly code?: ErrorCode;
  readonly detail?: string;
}

const ACCEPTED: Verdict = Object.freeze({ accepted: true });

/** One envelope on its way through the stages, and the one commit it will be. */
export class Batch {
  readonly peer: Peer;
  /** wall ms of its arrival */
  readonly now: number;
  readonly items: readonly Item[];
  readonly holding: HoldingPlanner;
  /** what takes the place of messages removed here */
  readonly tombstones: Tombstone[] = [];
  /** ranges that a receipt from below speaks of: they will not come any more */
  readonly settled: SeenRange[] = [];
  readonly lost: Lost[] = [];
  /** what this component says itself because of what arrived */
  readonly notices: Draft[] = [];
  readonly changes: Change[] = [];

  constructor(peer: Peer, messages: readonly Message[], now: number, holding: HoldingPlanner) {
    this.peer = peer;
    this.now = now;
    this.items = messages.map((message) => ({ message, fate: 'open' }));
    this.holding = holding;
  }

  open(): Item[] {
    return this.items.filter(({ fate }) => fate === 'open');
  }

  /** Nothing of what was staged is committed; `refuseItem` is asked for each message that would have been accepted anew. */
  takeNothing(refuseItem: (item: Item) => void): void {
    this.changes.length = 0;
    this.settled.length = 0;
    for (const item of this.items) if (item.fate !== 'seen' && item.fate !== 'refused') refuseItem(item);
  }

  verdicts(): Verdict[] {
    return this.items.map(({ refusal }) => refusal ?? ACCEPTED);
  }
}

/** Refused before it is accepted; the sender keeps it, or makes it a dead letter when it may not be retried. */
export function refuse(
  item: Item,
  code: ErrorCode,
  why: { detail?: string; retryable: boolean; waitMs?: number },
): void {
  item.fate = 'refused';
  item.refusal = { accepted: false, code, ...why };
}

/** Refused for a retry, with the wait that the error tells. */
export function refuseWith(item: Item, { code, detail, retryable, retryAfterMs }: BackhaulError): void {
  const wait = retryAfterMs === undefined ? {} : { waitMs: retryAfterMs };
  refuse(item, code, { ...(detail === undefined ? {} : { detail }), retryable, ...wait });
}
