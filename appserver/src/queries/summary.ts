import { sql } from 'kysely';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { largeSum, wholeNumber } from './large-sum.ts';
import { ledgerTotals, reasonTotals } from './ledger.ts';

/** Lines of each list, the most messages first: senders choose classes, rules and places [T-A35]. */
export const SUMMARY_LINES = 200;

/** What happened, in a few figures: messages by class, what was left out on the way and why, bytes above and below. */
export async function readSummary(queries: ScopedQueries) {
  const [classes, left, reasons, fetched, handedOut] = await Promise.all([
    classTotals(queries),
    ledgerTotals(queries, SUMMARY_LINES),
    reasonTotals(queries),
    fetchTotals(queries),
    transferTotals(queries),
  ]);
  return {
    messages: classes,
    filtered: reasons.get('filtered') ?? 0,
    merged: reasons.get('merged') ?? 0,
    removed: left,
    transfers: { ...fetched, ...handedOut },
  };
}

async function classTotals(queries: ScopedQueries) {
  const rows = await queries
    .from('classTotals')
    .select(({ fn }) => [
      'class',
      'subclass',
      'direction',
      fn.sum<number>('messages').as('messages'),
      fn.sum<number>('bytes').as('bytes'),
    ])
    .groupBy(['class', 'subclass', 'direction'])
    .orderBy('messages', 'desc')
    .limit(SUMMARY_LINES)
    .execute();
  return rows
    .map((row) => ({ ...row, class: row.class ?? '', direction: row.direction as 'up' | 'down' }))
    .toSorted((a, b) => (`${a.class}/${a.subclass}` < `${b.class}/${b.subclass}` ? -1 : 1));
}

async function fetchTotals(queries: ScopedQueries) {
  const row = await queries
    .from('artifactFetches')
    .select(({ fn }) => [fn.sum<number | null>('bytes').as('bytes'), fn.sum<number | null>('complete').as('complete')])
    .executeTakeFirst();
  return { wanBytes: row?.bytes ?? 0, wanFetches: row?.complete ?? 0 };
}

async function transferTotals(queries: ScopedQueries) {
  const row = await queries
    .from('transfers')
    .select([largeSum(sql`"lanBytes"`).as('bytes'), largeSum(sql`"destinations"`).as('to')])
    .executeTakeFirst();
  return { lanBytes: wholeNumber(row?.bytes), lanDestinations: wholeNumber(row?.to) };
}
