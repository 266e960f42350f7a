import type { Kind } from '@backhaul/identity';
import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { type ComponentState, ComponentTree } from './component-tree.ts';

export interface Customer {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface Site {
  readonly customer: string;
  readonly name: string;
  readonly createdAt: number;
}

/** `site`: all proxies of a site, kept by itself. `static`: a list that staff keep. */
export interface Group {
  readonly name: string;
  readonly kind: 'site' | 'static';
  readonly customer: string;
  readonly site: string | null;
  readonly members: readonly string[];
}

/** The directory as one transaction left it. */
export class DirectorySnapshot {
  readonly tree: ComponentTree;
  readonly customers: readonly Customer[];
  readonly sites: readonly Site[];
  readonly #static: readonly Group[];

  constructor(tree: ComponentTree, customers: readonly Customer[], sites: readonly Site[], groups: readonly Group[]) {
    this.tree = tree;
    this.customers = customers;
    this.sites = sites;
    this.#static = groups;
  }

  groups(): Group[] {
    return [...this.sites.map((site) => this.#siteGroup(site)), ...this.#static];
  }

  /** Active members only. An unknown group is `undefined`; an empty one has no members. */
  group(name: string): Group | undefined {
    const group = this.groups().find((candidate) => candidate.name === name);
    return group && { ...group, members: group.members.filter((id) => this.tree.get(id)?.state === 'active') };
  }

  #siteGroup({ name, customer }: Site): Group {
    const proxies = this.tree
      .all()
      .filter((c) => c.kind === 'proxy' && c.customer === customer && c.site === name && c.state === 'active');
    return { name, kind: 'site', customer, site: name, members: proxies.map(({ id }) => id) };
  }
}

export async function loadDirectory(db: Kysely<Schema>, self: string): Promise<DirectorySnapshot> {
  const [customers, sites, components, alternates, groups, members] = await Promise.all([
    db.selectFrom('customers').select(['id', 'name', 'createdAt']).orderBy('createdAt').orderBy('id').execute(),
    db.selectFrom('sites').select(['customer', 'name', 'createdAt']).orderBy('createdAt').orderBy('name').execute(),
    db
      .selectFrom('components')
      .select(['id', 'kind', 'customer', 'site', 'parent', 'state', 'createdAt'])
      .orderBy('createdAt')
      .orderBy('id')
      .execute(),
    db.selectFrom('componentParents').select(['component', 'parent']).orderBy('component').orderBy('rank').execute(),
    db.selectFrom('groups').select(['name', 'customer', 'site']).orderBy('name').execute(),
    db.selectFrom('groupMembers').selectAll().orderBy('component').execute(),
  ]);
  const others = Map.groupBy(alternates, ({ component }) => component);
  const records = components.map((row) => ({
    ...{ ...row, kind: row.kind as Kind, state: row.state as ComponentState },
    parents: [row.parent, ...(others.get(row.id) ?? []).map(({ parent }) => parent)],
  }));
  const byGroup = Map.groupBy(members, ({ groupName }) => groupName);
  const statics = groups.map((row) => ({
    ...row,
    kind: 'static' as const,
    members: (byGroup.get(row.name) ?? []).map(({ component }) => component),
  }));
  return new DirectorySnapshot(new ComponentTree(self, records), customers, sites, statics);
}
