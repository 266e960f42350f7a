import { BackhaulError } from '@backhaul/runtime';
import type { Page } from '../api/paging.ts';
import { readCursor, textKey, toPage } from '../api/paging.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** Customers, sites and groups, as the asker may see them. */
export async function listCustomers(queries: ScopedQueries, page: Page) {
  const [after] = readCursor(page, textKey) ?? [''];
  const rows = await queries
    .from('customers')
    .select(['id', 'name', 'createdAt'])
    .where('id', '>', after)
    .orderBy('id')
    .limit(page.limit + 1)
    .execute();
  return toPage(
    rows,
    page,
    ({ id }) => [id],
    (row) => row,
  );
}

/** @throws BH-E-NOT-FOUND for a customer that is not there, or is not the asker's to see */
export async function listSites(queries: ScopedQueries, customer: string, page: Page) {
  await requireCustomer(queries, customer);
  const [after] = readCursor(page, textKey) ?? [''];
  const rows = await queries
    .from('sites')
    .select(['customer', 'name', 'createdAt'])
    .where('customer', '=', customer)
    .where('name', '>', after)
    .orderBy('name')
    .limit(page.limit + 1)
    .execute();
  return toPage(
    rows,
    page,
    ({ name }) => [name],
    (row) => row,
  );
}

export async function requireCustomer(queries: ScopedQueries, customer: string): Promise<void> {
  const found = await queries.from('customers').select('id').where('id', '=', customer).executeTakeFirst();
  if (!found) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `customer ${customer}` });
}
