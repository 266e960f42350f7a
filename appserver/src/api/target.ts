import type { Destination } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);

/** One component or one group. */
export const target = z
  .union([z.strictObject({ component: name }), z.strictObject({ group: name })])
  .meta({ id: 'Target' });
export type Target = z.output<typeof target>;

export interface ResolvedTarget {
  readonly members: string[];
  readonly destination: Destination;
  readonly scope: ScopeColumns;
}

/** Who is meant, all of them within the asker's scope. @throws BH-E-TARGET */
export async function readTarget(
  directory: Directory,
  queries: ScopedQueries,
  wanted: Target,
): Promise<ResolvedTarget> {
  const members = directory.resolve(wanted);
  const visible = await queries.from('components').select('id').where('id', 'in', members).execute();
  if (visible.length < members.length) throw new BackhaulError('BH-E-TARGET', { detail: JSON.stringify(wanted) });
  const components = members.map((id) => directory.tree.get(id)!);
  const [first] = components;
  const oneCustomer = components.every(({ customer }) => customer === first!.customer);
  const oneSite = oneCustomer && components.every(({ site }) => site === first!.site);
  return {
    members,
    destination:
      'component' in wanted ? { kind: 'component', id: wanted.component } : { kind: 'group', name: wanted.group },
    scope: {
      customer: oneCustomer ? first!.customer : 'provider',
      site: oneSite ? first!.site : null,
      instance: null,
      class: null,
    },
  };
}
