import { type Page, readCursor, textKey, toPage } from '../api/paging.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** Nobody waits for these any more. */
const SETTLED = ['steady', 'back'] as const;

/** Who should have been heard and was not, by ID. */
export async function listOverdue(queries: ScopedQueries, page: Page) {
  const [after] = readCursor(page, textKey) ?? [''];
  const rows = await queries
    .from('overdue')
    .select(['id', 'kind', 'customer', 'site', 'phase', 'since', 'noticedAt', 'behind', 'returnedAt', 'told'])
    .where('phase', 'not in', [...SETTLED])
    .where('id', '>', after)
    .orderBy('id')
    .limit(page.limit + 1)
    .execute();
  return toPage(
    rows,
    page,
    ({ id }) => [id],
    ({ told, phase, ...row }) => ({
      ...row,
      state: phase as 'overdue' | 'unreachable' | 'returning',
      notified: told === 1,
    }),
  );
}

/** The state of each of these components that is not simply heard. */
export async function watchStates(queries: ScopedQueries, ids: readonly string[]) {
  if (ids.length === 0) return new Map<string, WatchState>();
  const rows = await queries
    .from('overdue')
    .select(['id', 'phase', 'since', 'behind'])
    .where('phase', 'not in', [...SETTLED])
    .where('id', 'in', [...ids])
    .execute();
  return new Map(
    rows.map(({ id, phase, since, behind }) => [id, { state: phase as WatchState['state'], since, behind }]),
  );
}

export interface WatchState {
  readonly state: 'overdue' | 'unreachable' | 'returning';
  readonly since: number;
  readonly behind: string | null;
}
