import { sql } from 'kysely';
import { z } from 'zod';
import { type Page, readCursor, toPage } from '../api/paging.ts';
import {
  type Account,
  account,
  LEDGER_REASONS,
  type LedgerReason,
  type TombstoneRange,
} from '../ledger/tombstone-ranges.ts';
import { type Interval, size } from '../receiver/intervals.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

const streamKey = z.tuple([z.string(), z.string(), z.int()]);

interface StreamRow {
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

/**
 * Of every sequence number of every (source, epoch, lane): delivered, or what a receipt says, or missing: neither, so
 * still on its way or lost [DESIGN §4.4].
 */
export async function readLedger(queries: ScopedQueries, source: string | undefined, page: Page) {
  const streams = await listStreams(queries, source);
  const after = readCursor(page, streamKey);
  const from = after === undefined ? 0 : streams.findIndex((stream) => compare(stream, after) > 0);
  const shown = from < 0 ? [] : streams.slice(from, from + page.limit + 1);
  const lines = await Promise.all(shown.map((stream) => readLine(queries, stream)));
  const keyOf = (line: { source: string; epoch: string; lane: number }) => [line.source, line.epoch, line.lane];
  return {
    ...toPage(lines, page, keyOf, (line) => line),
    unexplained: streams.reduce((sum, { missing }) => sum + missing, 0),
  };
}

const messagesOf = sql<number>`sum("last" - "first" + 1)`.as('messages');

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
  return rows.map((row) => ({ ...row, messages: Number(row.messages) }));
}

/** The same by reason alone, whole. */
export async function reasonTotals(queries: ScopedQueries) {
  const rows = await queries.from('tombstones').select(['reason', messagesOf]).groupBy('reason').execute();
  return new Map(rows.map(({ reason, messages }) => [reason, Number(messages)]));
}

async function listStreams(queries: ScopedQueries, source: string | undefined): Promise<StreamRow[]> {
  const columns = ['source', 'epoch', 'lane', 'customer', 'site'] as const;
  const missing = sql<number>`max("last") - sum("last" - "first" + 1)`.as('missing');
  let query = queries
    .from('seen')
    .select([...columns, missing])
    .groupBy(columns);
  if (source !== undefined) query = query.where('source', '=', source);
  return query.orderBy('source').orderBy('epoch').orderBy('lane').execute();
}

function compare(stream: StreamRow, [source, epoch, lane]: z.output<typeof streamKey>): number {
  if (stream.source !== source) return stream.source < source ? -1 : 1;
  if (stream.epoch !== epoch) return stream.epoch < epoch ? -1 : 1;
  return stream.lane - lane;
}

function readSeen(queries: ScopedQueries, { source, epoch, lane }: StreamRow): Promise<Interval[]> {
  return queries
    .from('seen')
    .select(['first', 'last'])
    .where('source', '=', source)
    .where('epoch', '=', epoch)
    .where('lane', '=', lane)
    .orderBy('first')
    .execute();
}

async function readLine(queries: ScopedQueries, stream: StreamRow) {
  const { source, epoch, lane, customer, site } = stream;
  const tombstones = (await queries
    .from('tombstones')
    .select(['first', 'last', 'reason', 'rule', 'aggregate', 'at'])
    .where('source', '=', source)
    .where('epoch', '=', epoch)
    .where('lane', '=', lane)
    .orderBy('first')
    .execute()) as TombstoneRange[];
  const pruned = await queries
    .from('streams')
    .select('settledThrough')
    .where('source', '=', source)
    .where('epoch', '=', epoch)
    .where('lane', '=', lane)
    .executeTakeFirst();
  const settledThrough = pruned?.settledThrough ?? 0;
  const whole = account(await readSeen(queries, stream), tombstones);
  return {
    source,
    epoch,
    lane,
    customer,
    site,
    through: whole.highest,
    settledThrough,
    ...counts(whole, settledThrough),
    ranges: ranges(whole, settledThrough),
  };
}

function countsByReason(countOf: (reason: LedgerReason) => number): Record<ReasonCount, number> {
  return Object.fromEntries(LEDGER_REASONS.map((reason) => [COUNTS[reason], countOf(reason)])) as Record<
    ReasonCount,
    number
  >;
}

function counts({ delivered, explained, missing }: Account, settledThrough: number) {
  const byReason = countsByReason((reason) => size(explained.filter((range) => range.reason === reason)));
  const above = delivered
    .filter(({ last }) => last > settledThrough)
    .map(({ first, last }) => ({ first: Math.max(first, settledThrough + 1), last }));
  return {
    delivered: size(above),
    ...byReason,
    unexplained: size(missing),
  };
}

/** The first ranges of the account in order; a lane with more is looked at by its counts. */
const RANGES_SHOWN = 200;

function ranges({ delivered, explained, missing }: Account, settledThrough: number) {
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
    ...missing.map(({ first, last }) => ({ first, last, fate: 'unexplained' })),
  ];
  return lines.toSorted((a, b) => a.first - b.first).slice(0, RANGES_SHOWN);
}
