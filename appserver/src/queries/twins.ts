import type { ScopedQueries } from '../store/scoped-queries.ts';

export interface Twin {
  readonly id: string;
  /** the proxy it is registered at */
  readonly component: string;
  readonly customer: string;
  readonly site: string | null;
}

const COLUMNS = ['id', 'component', 'customer', 'site', 'platform', 'managementId'] as const;

/**
 * One machine that several proxies of a site look after, known by what its platform calls it: the instance asked for first,
 * then the same at other proxies. Nothing for one that is not known, and itself alone when its platform gave it no ID.
 */
export async function twinsOf(queries: ScopedQueries, instance: string): Promise<Twin[]> {
  const own = await queries
    .from('instances')
    .select(COLUMNS)
    .where('id', '=', instance)
    .where('kind', '=', 'instance')
    .executeTakeFirst();
  if (!own) return [];
  const { platform, managementId, customer, site } = own;
  if (platform === null || managementId === null || site === null) return [own];
  const others = await queries
    .from('instances')
    .select(COLUMNS)
    .where((eb) => eb.and({ platform, managementId, customer, site, kind: 'instance' }))
    .where('component', '<>', own.component)
    .orderBy('component')
    .execute();
  return [own, ...others];
}
