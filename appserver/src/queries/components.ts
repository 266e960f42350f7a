import { BackhaulError } from '@backhaul/runtime';
import { type Page, readCursor, textKey, toPage } from '../api/paging.ts';
import type { Services } from '../api/services.ts';
import type { ComponentRow } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { type WatchState, watchStates } from './overdue.ts';

export interface ComponentFilter {
  readonly customer?: string | undefined;
  readonly site?: string | undefined;
}

/** What the queries need besides the store: when each component was heard last. */
export type Liveness = Pick<Services, 'lastHeard' | 'overdueAfterMs' | 'directory'>;

/** Registered components with what is known of each; sorted by id, so that a page can follow another. */
export async function listComponents(queries: ScopedQueries, live: Liveness, filter: ComponentFilter, page: Page) {
  const [after] = readCursor(page, textKey) ?? [''];
  let query = queries.from('components').selectAll().where('id', '>', after);
  if (filter.customer) query = query.where('customer', '=', filter.customer);
  if (filter.site) query = query.where('site', '=', filter.site);
  const rows = await query
    .orderBy('id')
    .limit(page.limit + 1)
    .execute();
  const ids = rows.map(({ id }) => id);
  const [status, watch] = await Promise.all([statusOf(queries, ids), watchStates(queries, ids)]);
  return toPage(
    rows,
    page,
    ({ id }) => [id],
    (row) => asItem(row, status.get(row.id), watch.get(row.id), live),
  );
}

/** One component with its status tree. @throws BH-E-NOT-FOUND */
export async function readComponent(queries: ScopedQueries, live: Liveness, id: string) {
  const row = await queries.from('components').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `component ${id}` });
  const status = (await statusOf(queries, [id])).get(id);
  const watch = (await watchStates(queries, [id])).get(id);
  const visible = new Set((await queries.from('components').select('id').execute()).map((child) => child.id));
  const children = live.directory.tree.children(id).map((child) => child.id);
  return {
    ...asItem(row, status, watch, live),
    children: children.filter((child) => visible.has(child)).toSorted(),
    heartbeat: status?.tree ? (JSON.parse(status.tree) as unknown) : null,
    heartbeatAt: status?.heartbeatAt ?? null,
  };
}

type StatusRow = Awaited<ReturnType<typeof readStatusRows>>[number];

function readStatusRows(queries: ScopedQueries, ids: readonly string[]) {
  return queries
    .from('componentStatus')
    .selectAll()
    .where('component', 'in', [...ids])
    .execute();
}

async function statusOf(queries: ScopedQueries, ids: readonly string[]): Promise<Map<string, StatusRow>> {
  const rows = ids.length === 0 ? [] : await readStatusRows(queries, ids);
  return new Map(rows.map((row) => [row.component, row]));
}

function asItem(
  { id, kind, parent, customer, site, state, createdAt }: ComponentRow,
  status: StatusRow | undefined,
  watch: WatchState | undefined,
  { lastHeard, overdueAfterMs, directory }: Liveness,
) {
  return {
    ...{
      id,
      kind,
      parent,
      parents: [...(directory.tree.get(id)?.parents ?? [parent])],
      customer,
      site,
      state: state as 'active' | 'revoked',
      createdAt,
    },
    lastHeardAt: lastHeard.get(id) ?? null,
    overdue: state === 'active' && (isAway(watch) || lastHeard.isOverdue(id, overdueAfterMs)),
    watch: state === 'active' ? (watch ?? null) : null,
    version: status?.version ?? null,
    health: status?.state ?? null,
    heartbeatAt: status?.heartbeatAt ?? null,
    backlog: backlogOf(status),
    notice: status?.notice ?? null,
    noticeAt: status?.noticeAt ?? null,
  };
}

const isAway = (watch: WatchState | undefined): boolean => watch !== undefined && watch.state !== 'returning';

/** As the component said last, in this server's time. */
function backlogOf(status: StatusRow | undefined) {
  if (!status || status.backlog === null || status.heartbeatAt === null) return null;
  const { backlog, heartbeatAt, oldestMs, nextRetryMs } = status;
  return {
    messages: backlog,
    ...(oldestMs === null ? {} : { oldestAt: heartbeatAt - oldestMs }),
    ...(nextRetryMs === null ? {} : { nextRetryAt: heartbeatAt + nextRetryMs }),
  };
}
