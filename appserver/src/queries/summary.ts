import type { ScopedQueries } from '../store/scoped-queries.ts';
import { ledgerTotals } from './ledger.ts';

/** What happened, in a few figures: messages by class, what was left out on the way and why, bytes above and below. */
export async function readSummary(queries: ScopedQueries) {
  const [classes, left, fetched, handedOut] = await Promise.all([
    classTotals(queries),
    ledgerTotals(queries),
    fetchTotals(queries),
    transferTotals(queries),
  ]);
  const count = (reasons: readonly string[]) =>
    left.filter(({ reason }) => reasons.includes(reason)).reduce((sum, { messages }) => sum + messages, 0);
  return {
    messages: classes,
    filtered: count(['filtered']),
    merged: count(['merged']),
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
    .orderBy('class')
    .orderBy('subclass')
    .execute();
  return rows.map((row) => ({ ...row, class: row.class ?? '', direction: row.direction as 'up' | 'down' }));
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
    .select(({ fn }) => [fn.sum<number | null>('lanBytes').as('bytes'), fn.sum<number | null>('destinations').as('to')])
    .executeTakeFirst();
  return { lanBytes: row?.bytes ?? 0, lanDestinations: row?.to ?? 0 };
}
