import { BackhaulError } from '@backhaul/runtime';
import { bytesAt, chooseVictims, type LanePlace, leastRank, type Need, nameOfPlace } from './eviction.ts';
import { entryBytes } from './record.ts';
import type { Share } from './shares.ts';
import type { SpoolContents } from './spool-contents.ts';
import type { SpoolEntry } from './types.ts';

/** How long a sender waits that was refused for want of room. */
const FULL_WAIT_MS = 5_000;
/** Receipts may pass the limits by this part of them, so that an account can always be given. */
const RECEIPT_SHARE = 1 / 16;

export interface SpoolLimits {
  readonly maxBytes: number;
  readonly maxMessages: number;
}

/** What may be held for all children of one customer together. */
export interface CustomerLimits extends SpoolLimits {
  readonly customerOf: (child: string) => string;
}

export interface RoomOptions {
  readonly limits: SpoolLimits;
  /** for everything that comes through one direct child */
  readonly perChild?: SpoolLimits | undefined;
  /** for everything that comes through the children of one customer */
  readonly perCustomer?: CustomerLimits | undefined;
  readonly receipts: boolean;
}

/**
 * Who has to go so that these entries have room [DESIGN §4.7]: first within the share of each child, then of each customer, then in
 * the whole spool; what leaves anyway counts already. Throws BH-E-QUOTA or BH-E-SPOOL-FULL when the newcomers themselves rank least.
 */
export function makeRoom(
  contents: SpoolContents,
  entries: readonly SpoolEntry[],
  leavingAnyway: readonly LanePlace[],
  options: RoomOptions,
): readonly LanePlace[] {
  const leaving = [...leavingAnyway];
  if (options.perChild !== undefined) {
    for (const [via, own] of Map.groupBy(entries, (entry) => entry.via)) {
      if (via !== undefined) leaving.push(...roomInShare(contents, via, own, leaving, options.perChild));
    }
  }
  const { perCustomer } = options;
  if (perCustomer !== undefined && isLess(perCustomer, options.limits)) {
    const customerOf = ({ via }: SpoolEntry) => (via === undefined ? undefined : perCustomer.customerOf(via));
    for (const [customer, own] of Map.groupBy(entries, customerOf)) {
      if (customer !== undefined) leaving.push(...roomOfCustomer(contents, customer, own, leaving, perCustomer));
    }
  }
  leaving.push(...roomInSpool(contents, entries, leaving, options));
  return leaving.slice(leavingAnyway.length);
}

function roomInShare(
  { shares, lanes }: SpoolContents,
  via: string,
  entries: readonly SpoolEntry[],
  leaving: readonly LanePlace[],
  limits: SpoolLimits,
): readonly LanePlace[] {
  const ofChild = leaving.filter(({ record }) => record.share.via === via);
  const need = needOf(shares.usage(via), entries, ofChild, limits);
  if (fits(need)) return [];
  const share = shares.of(via);
  const orders = lanes.map((lane) => ({ lane, order: share.orderOf(lane.lane) }));
  const victims = chooseVictims(orders, leastRank(entries), need, new Set(leaving.map(nameOfPlace)));
  if (victims === undefined) throw refused('BH-E-QUOTA', `the share of ${via}`);
  return victims;
}

/** Of equal lanes the messages of the child that holds most go first. */
function roomOfCustomer(
  { shares, lanes }: SpoolContents,
  customer: string,
  entries: readonly SpoolEntry[],
  leaving: readonly LanePlace[],
  limits: CustomerLimits,
): readonly LanePlace[] {
  const isOfCustomer = ({ via }: Share): boolean => via !== undefined && limits.customerOf(via) === customer;
  const held = shares.ofChildren().filter(isOfCustomer);
  const used = { messages: 0, bytes: 0 };
  for (const { messages, bytes } of held) {
    used.messages += messages;
    used.bytes += bytes;
  }
  const ofCustomer = leaving.filter(({ record }) => isOfCustomer(record.share));
  const need = needOf(used, entries, ofCustomer, limits);
  if (fits(need)) return [];
  const largestFirst = held.toSorted((a, b) => b.bytes - a.bytes);
  const orders = largestFirst.flatMap((share) => lanes.map((lane) => ({ lane, order: share.orderOf(lane.lane) })));
  const victims = chooseVictims(orders, leastRank(entries), need, new Set(leaving.map(nameOfPlace)));
  if (victims === undefined) throw refused('BH-E-QUOTA', `the share of customer ${customer}`);
  return victims;
}

function roomInSpool(
  contents: SpoolContents,
  entries: readonly SpoolEntry[],
  leaving: readonly LanePlace[],
  { limits, receipts }: RoomOptions,
): readonly LanePlace[] {
  const allowance = receipts ? 1 + RECEIPT_SHARE : 1;
  const { maxBytes, maxMessages } = limits;
  const need = needOf(contents, entries, leaving, {
    maxBytes: maxBytes * allowance,
    maxMessages: maxMessages * allowance,
  });
  if (fits(need) || entries.length === 0) return [];
  const orders = contents.lanes.map((lane) => ({ lane, order: lane.order }));
  const victims = chooseVictims(orders, leastRank(entries), need, new Set(leaving.map(nameOfPlace)));
  if (victims === undefined) throw refused('BH-E-SPOOL-FULL', 'everything that is held ranks as high');
  return victims;
}

function needOf(
  used: { messages: number; bytes: number },
  entries: readonly SpoolEntry[],
  leaving: readonly LanePlace[],
  { maxBytes, maxMessages }: SpoolLimits,
): Need {
  const coming = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  const going = leaving.reduce((sum, place) => sum + bytesAt(place), 0);
  return {
    messages: used.messages + entries.length - leaving.length - maxMessages,
    bytes: used.bytes + coming - going - maxBytes,
  };
}

function isLess(share: SpoolLimits, whole: SpoolLimits): boolean {
  return share.maxBytes < whole.maxBytes || share.maxMessages < whole.maxMessages;
}

function fits({ messages, bytes }: Need): boolean {
  return messages <= 0 && bytes <= 0;
}

export function refused(code: 'BH-E-QUOTA' | 'BH-E-SPOOL-FULL', detail: string): BackhaulError {
  return new BackhaulError(code, { detail, retryAfterMs: FULL_WAIT_MS });
}
