import { sql } from 'kysely';
import { z } from 'zod';
import { type Page, readCursor, toPage } from '../api/paging.ts';
import type { ComponentTree } from '../directory/component-tree.ts';
import {
  type Account,
  account,
  LEDGER_REASONS,
  type LedgerReason,
  type TombstoneRange,
} from '../ledger/tombstone-ranges.ts';
import { type MissingRange, type Whereabouts, whereabouts } from '../ledger/whereabouts.ts';
import { size } from '../receiver/intervals.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { largeSum, wholeNumber } from './large-sum.ts';

const streamKey = z.tuple([z.string(), z.string(), z.int()]);

interface StreamRow {
  /** highest sequence of which something is known */
  readonly highest: number;
  /** highest that the source says it has given in its newest epoch */
  readonly given: number;
  /** sequences below the highest known that are in no interval */
  readonly missing: number;
  readonly source: string;
  readonly epoch: string;
  readonly lane: number;
  readonly customer: string;
  readonly site: string | null;
}

/** Names of the counts of one line, by the reason on a receipt. */
const COUNTS = {
  filtered: 'filtered',
  merged: 'merged',
  held: 'held',
  superseded: 'superseded',
  expired: 'expired',
  evicted: 'evicted',
  'dead-letter': 'deadLetter',
  revoked: 'revoked',
  'unknown-after-send': 'unknownAfterSend',
  duplicate: 'duplicate',
} as const satisfies Record<LedgerReason, string>;

type ReasonCount = (typeof COUNTS)[LedgerReason];

/** What tells whether a missing message is still on its way. */
export interface LedgerAround {
  readonly tree: ComponentTree;
  readonly graceMs: number;
  /** wall ms */
  readonly now: number;
}

/**
 * Of every sequence number of every (source, epoch, lane): delivered, or what a receipt says, or in flight at or below
 * which hop, or unexplained [DESIGN §4.4]. The sums are over all lines, shown or not.
 */
export async function readLedger(queries: ScopedQueries, source: string | undefined, page: Page, around: LedgerAround) {
  const streams = await listStreams(queries, source);
  const after = readCursor(page, streamKey);
  const from = after === undefined ? 0 : streams.findIndex((stream) => compare(stream, after) > 0);
  const shown = from < 0 ? [] : streams.slice(from, from + page.limit + 1);
  const lines = new Map<StreamRow, Line>();
  for (const stream of shown) lines.set(stream, await readLine(queries, stream, around));
  const sums = { unexplained: 0, inFlight: 0 };
  for (const stream of streams.filter(({ missing }) => missing > 0)) {
    const line = lines.get(stream) ?? (await readLine(queries, stream, around));
    sums.unexplained += line.unexplained;
    sums.inFlight += line.inFlight;
  }
  const keyOf = (line: { source: string; epoch: string; lane: number }) => [line.source, line.epoch, line.lane];
  return {
    ...toPage([...lines.values()], page, keyOf, (line) => line),
    unexplained: wholeNumber(sums.unexplained),
    inFlight: wholeNumber(sums.inFlight),
  };
}

type Line = Awaited<ReturnType<typeof readLine>>;

const messagesOf = largeSum(sql<number>`"last" - "first" + 1`).as('messages');

/** Sums over everything by reason, rule and place, the most first; senders choose rules and places, so there is a number. */
export async function ledgerTotals(queries: ScopedQueries, limit: number) {
  const rows = await queries
    .from('tombstones')
    .select(['reason', 'rule', 'at', messagesOf])
    .groupBy(['reason', 'rule', 'at'])
    .orderBy('messages', 'desc')
    .orderBy('reason')
    .orderBy('rule')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, messages: wholeNumber(row.messages) }));
}

/** The same by reason alone, whole. */
export async function reasonTotals(queries: ScopedQueries) {
  const rows = await queries.from('tombstones').select(['reason', messagesOf]).groupBy('reason').execute();
  return new Map(rows.map(({ reason, messages }) => [reason, wholeNumber(messages)]));
}

/** Those of which something has been seen, and those of which only the source has spoken. */
async function listStreams(queries: ScopedQueries, source: string | undefined): Promise<StreamRow[]> {
  const columns = ['source', 'epoch', 'lane', 'customer', 'site'] as const;
  const highest = sql<number>`max("last")`.as('highest');
  const seen = sql<number>`sum("last" - "first" + 1)`.as('seen');
  let query = queries
    .from('seen')
    .select([...columns, highest, seen])
    .groupBy(columns);
  let given = queries.from('givenSequences').select(['component', 'epoch', 'lane', 'last', 'customer', 'site']);
  let epochs = queries.from('epochs').select(['source', 'epoch']);
  if (source !== undefined) {
    query = query.where('source', '=', source);
    given = given.where('component', '=', source);
    epochs = epochs.where('source', '=', source);
  }
  const newest = new Map((await epochs.orderBy('ordinal').execute()).map((row) => [row.source, row.epoch]));
  const streams = new Map<string, StreamRow>();
  for (const { highest, seen, ...row } of await query.execute())
    streams.set(textOf(row), { ...row, highest, given: 0, missing: highest - seen });
  for (const { component, last, ...row } of await given.execute()) {
    if (newest.get(component) !== row.epoch) continue; // what it still held then has numbers of its new epoch now
    const stream = { source: component, ...row };
    const known = streams.get(textOf(stream)) ?? { ...stream, highest: 0, given: 0, missing: 0 };
    const more = Math.max(0, last - known.highest);
    streams.set(textOf(stream), { ...known, given: last, missing: known.missing + more });
  }
  return [...streams.values()].toSorted((a, b) => compare(a, [b.source, b.epoch, b.lane]));
}

const textOf = ({ source, epoch, lane }: Pick<StreamRow, 'source' | 'epoch' | 'lane'>): string =>
  `${source} ${epoch} ${lane}`;

function compare(stream: StreamRow, [source, epoch, lane]: z.output<typeof streamKey>): number {
  if (stream.source !== source) return stream.source < source ? -1 : 1;
  if (stream.epoch !== epoch) return stream.epoch < epoch ? -1 : 1;
  return stream.lane - lane;
}

async function readLine(queries: ScopedQueries, stream: StreamRow, around: LedgerAround) {
  const { source, epoch, lane, customer, site } = stream;
  const key = { source, epoch, lane };
  const tombstones = await queries
    .from('tombstones')
    .select(['first', 'last', 'reason', 'rule', 'aggregate', 'at'])
    .where((eb) => eb.and(key))
    .orderBy('first')
    .execute();
  const seen = await queries
    .from('seen')
    .select(['first', 'last', 'at'])
    .where((eb) => eb.and(key))
    .orderBy('first')
    .execute();
  const pruned = await queries
    .from('streams')
    .select('settledThrough')
    .where((eb) => eb.and(key))
    .executeTakeFirst();
  const settledThrough = pruned?.settledThrough ?? 0;
  const whole = account(seen, tombstones as TombstoneRange[], await readGiven(queries, stream));
  const missing = whole.missing.length === 0 ? [] : await locate(queries, stream, whole.missing, around);
  return {
    source,
    epoch,
    lane,
    customer,
    site,
    through: whole.highest,
    settledThrough,
    ...counts(whole, missing, settledThrough),
    ranges: ranges(whole, missing, settledThrough),
  };
}

async function readGiven(queries: ScopedQueries, { source, epoch, lane, given, highest }: StreamRow) {
  if (given <= highest) return undefined;
  return queries
    .from('givenSequences')
    .select(['last', 'at'])
    .where((eb) => eb.and({ component: source, epoch, lane }))
    .executeTakeFirst();
}

async function locate(
  queries: ScopedQueries,
  { source, epoch, lane }: StreamRow,
  missing: readonly MissingRange[],
  { tree, graceMs, now }: LedgerAround,
): Promise<Whereabouts[]> {
  const path = waysUp(tree, source);
  const held = await queries
    .from('heldRanges')
    .select(['component', 'first', 'last', 'messages'])
    .where((eb) => eb.and({ source, epoch, lane }))
    .where('at', '>=', now - graceMs)
    .orderBy('at', 'desc')
    .execute();
  const told = await queries
    .from('holdings')
    .select(['component', 'at', 'truncated'])
    .where('component', 'in', path)
    .execute();
  const toldAt = new Map(told.map(({ component, at, truncated }) => [component, truncated === 1 ? undefined : at]));
  const height = (component: string) => path.indexOf(component);
  return whereabouts(missing, {
    held: held.toSorted((a, b) => height(b.component) - height(a.component)),
    path: path.map((component) => ({ component, at: toldAt.get(component) })),
    graceMs,
    now,
  });
}

/** The source and every hop above it, by whichever of its parents, those further up later. */
function waysUp(tree: ComponentTree, source: string): string[] {
  const found = new Set([source]);
  for (const id of found) for (const parent of tree.get(id)?.parents ?? []) if (parent !== tree.self) found.add(parent);
  return [...found].toSorted((a, b) => tree.depth(b) - tree.depth(a));
}

function countsByReason(countOf: (reason: LedgerReason) => number): Record<ReasonCount, number> {
  return Object.fromEntries(LEDGER_REASONS.map((reason) => [COUNTS[reason], countOf(reason)])) as Record<
    ReasonCount,
    number
  >;
}

function counts({ delivered, explained }: Account, missing: readonly Whereabouts[], settledThrough: number) {
  const byReason = countsByReason((reason) => size(explained.filter((range) => range.reason === reason)));
  const above = delivered
    .filter(({ last }) => last > settledThrough)
    .map(({ first, last }) => ({ first: Math.max(first, settledThrough + 1), last }));
  return {
    delivered: size(above),
    ...byReason,
    inFlight: size(missing.filter(({ fate }) => fate === 'in-flight')),
    unexplained: size(missing.filter(({ fate }) => fate === 'unexplained')),
  };
}

/** The first ranges of the account in order; a lane with more is looked at by its counts. */
const RANGES_SHOWN = 200;

function ranges({ delivered, explained }: Account, missing: readonly Whereabouts[], settledThrough: number) {
  const lines = [
    ...delivered
      .filter(({ last }) => last > settledThrough)
      .map(({ first, last }) => ({ first: Math.max(first, settledThrough + 1), last, fate: 'delivered' })),
    ...explained.map(({ first, last, reason, rule, aggregate, at }) => ({
      first,
      last,
      fate: reason,
      at,
      ...(rule === null ? {} : { rule }),
      ...(aggregate === null ? {} : { aggregate }),
    })),
    ...missing,
  ];
  return lines.toSorted((a, b) => a.first - b.first).slice(0, RANGES_SHOWN);
}
