import { readContent, readHeader } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { numberKey, type Page, readCursor, toPage } from '../api/paging.ts';
import type { MessageRow } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** Names of columns that a list may be narrowed by, and no others [T-A22]. */
export const MESSAGE_FILTERS = ['class', 'subclass', 'source', 'customer', 'site', 'instance', 'direction'] as const;
export type MessageFilter = Partial<Record<(typeof MESSAGE_FILTERS)[number], string | undefined>>;

const SUMMARY_COLUMNS = [
  ...([
    'number',
    'id',
    'direction',
    'customer',
    'site',
    'instance',
    'class',
    'subclass',
    'classification',
    'contentType',
  ] as const),
  ...([
    'source',
    'epoch',
    'lane',
    'sequence',
    'madeAt',
    'receivedAt',
    'peer',
    'eventKey',
    'inReplyTo',
    'note',
  ] as const),
];

/** The newest first. */
export async function listMessages(queries: ScopedQueries, filter: MessageFilter, page: Page) {
  const [before] = readCursor(page, numberKey) ?? [Number.MAX_SAFE_INTEGER];
  let query = queries.from('messages').select(SUMMARY_COLUMNS).where('number', '<', before);
  for (const name of MESSAGE_FILTERS) if (filter[name] !== undefined) query = query.where(name, '=', filter[name]);
  const rows = await query
    .orderBy('number', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page, ({ number }) => [number], asSummary);
}

/** One message, its header and content read. @throws BH-E-NOT-FOUND */
export async function readMessage(queries: ScopedQueries, id: string) {
  const row = await find(queries, id);
  return {
    ...asSummary(row),
    header: readHeader(row.header),
    content: contentOf(row),
    bytes: row.header.byteLength + row.body.byteLength,
  };
}

/** The way a message went: each hop with the time it came and left, and this application server at the end. */
export async function traceMessage(queries: ScopedQueries, self: string, id: string) {
  const row = await find(queries, id);
  const { routing } = readHeader(row.header);
  const hops: { id: string; in: number; out: number | null; left?: number }[] = routing.map((hop) => ({ ...hop }));
  const here = { id: self, in: row.receivedAt, out: null };
  return {
    ...{
      id,
      direction: row.direction as 'up' | 'down',
      source: row.source,
      madeAt: row.madeAt,
      receivedAt: row.receivedAt,
    },
    hops: row.direction === 'up' ? [...hops, here] : [here],
  };
}

async function find(queries: ScopedQueries, id: string) {
  const row = await queries.from('messages').selectAll().where('id', '=', id).orderBy('number').executeTakeFirst();
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `message ${id}` });
  return row;
}

/** A body that nobody asked for was never parsed on its way, so it may turn out to be unreadable only here. */
function contentOf({ body }: Pick<MessageRow, 'body'>): unknown {
  try {
    return readContent(body);
  } catch (error) {
    if (!(error instanceof BackhaulError)) throw error;
    return { type: 'unreadable', code: error.code, detail: error.detail ?? error.sentence };
  }
}

type SummaryRow = Pick<MessageRow, Exclude<(typeof SUMMARY_COLUMNS)[number], 'number'>>;

function asSummary(row: SummaryRow) {
  const {
    id,
    customer,
    site,
    instance,
    subclass,
    classification,
    contentType,
    source,
    epoch,
    lane,
    sequence,
    madeAt,
    receivedAt,
    peer,
    eventKey,
    inReplyTo,
    note,
  } = row;
  return {
    ...{
      id,
      direction: row.direction as 'up' | 'down',
      customer,
      site,
      instance,
      class: row.class ?? '',
      subclass,
      classification,
      contentType,
    },
    ...{ source, epoch, lane, sequence, madeAt, receivedAt, peer, eventKey, inReplyTo, note },
  };
}
