import { type Page, readCursor, textKey, toPage } from '../api/paging.ts';
import type { Severity } from '../notifications/notification.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

export interface NotificationFilter {
  readonly kind?: string | undefined;
  readonly state?: 'waiting' | 'sent' | 'dead' | undefined;
}

/** The newest first, each with how far it is at every sender. */
export async function listNotifications(queries: ScopedQueries, { kind, state }: NotificationFilter, page: Page) {
  const [before] = readCursor(page, textKey) ?? ['~'];
  let query = queries.from('notifications').selectAll().where('id', '<', before);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (state !== undefined) {
    const inState = queries.from('notificationDeliveries').select('notification').where('state', '=', state);
    query = query.where('id', 'in', inState);
  }
  const rows = await query
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  const deliveries = await deliveriesOf(
    queries,
    rows.map(({ id }) => id),
  );
  return toPage(
    rows,
    page,
    ({ id }) => [id],
    ({ instance: _, class: __, severity, data, ...row }) => ({
      ...row,
      severity: severity as Severity,
      data: JSON.parse(data) as unknown,
      deliveries: deliveries.get(row.id) ?? [],
    }),
  );
}

async function deliveriesOf(queries: ScopedQueries, ids: readonly string[]) {
  if (ids.length === 0) return new Map<string, never[]>();
  const rows = await queries
    .from('notificationDeliveries')
    .select(['notification', 'sender', 'state', 'attempts', 'nextAt', 'code', 'detail', 'updatedAt'])
    .where('notification', 'in', [...ids])
    .orderBy('sender')
    .execute();
  const items = rows.map(({ state, nextAt, ...row }) => ({
    ...row,
    state,
    nextAt: state === 'waiting' ? nextAt : null,
  }));
  return new Map(
    [...Map.groupBy(items, ({ notification }) => notification)].map(([id, list]) => [
      id,
      list.map(({ notification: _, ...delivery }) => delivery),
    ]),
  );
}
