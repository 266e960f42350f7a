import { readContent, readHeader } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { numberKey, type Page, readCursor, toPage } from '../api/paging.ts';
import type { DeadLetterState } from '../dead-letters/dead-letters.ts';
import type { DeadLetterRow } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

const COLUMNS = [
  'number', 'id', 'source', 'epoch', 'lane', 'sequence', 'class', 'subclass', 'customer', 'site', 'instance', 'madeAt', 'peer', 'module',
  'code', 'detail', 'faults', 'firstAt', 'at', 'bytes', 'state', 'decidedAt', 'reason',
] as const; // biome-ignore format: one list

/** Dead letters of one state, by number, those behind `after`. */
export async function listDeadLetters(
  queries: ScopedQueries,
  { state, after: first = 0 }: { state: DeadLetterState; after?: number | undefined },
  page: Page,
) {
  const [after] = readCursor(page, numberKey) ?? [first];
  const rows = await queries
    .from('deadLetters')
    .select(COLUMNS)
    .where('state', '=', state)
    .where('number', '>', after)
    .orderBy('number')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page, ({ number }) => [number], asItem);
}

/** One with its header and content; without them once it is decided. @throws BH-E-NOT-FOUND */
export async function readDeadLetter(queries: ScopedQueries, number: number) {
  const row = await queries.from('deadLetters').selectAll().where('number', '=', number).executeTakeFirst();
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `dead letter ${number}` });
  const { header, body, ...rest } = row;
  return {
    ...asItem(rest),
    header: header === null ? null : orCode(() => readHeader(header)),
    content: body === null ? null : orCode(() => readContent(body)),
  };
}

type Item = Pick<DeadLetterRow, Exclude<(typeof COLUMNS)[number], 'number'>> & { number: number };

function asItem({ contentType: _, ...row }: Item & { contentType?: string }) {
  return { ...row, class: row.class ?? '', state: row.state as DeadLetterState };
}

/** It may be here because it cannot be read. */
function orCode(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BackhaulError)) throw error;
    return { type: 'unreadable', code: error.code, detail: error.detail ?? error.sentence };
  }
}
