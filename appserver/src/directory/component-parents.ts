import { BackhaulError } from '@backhaul/runtime';
import type { ColumnTypes, Migration } from '../store/migrations.ts';
import type { ComponentTree } from './component-tree.ts';

/** Parents that one component may have. */
export const MAX_PARENTS = 4;

export interface ParentTables {
  /** further parents in order of preference; the preferred one stands in the row of the component */
  componentParents: { component: string; rank: number; parent: string };
}

export const PARENT_MIGRATIONS: readonly Migration[] = [
  {
    owner: 'parents',
    version: 1,
    statements: (t: ColumnTypes) => [
      `CREATE TABLE "componentParents" ("component" ${t.text} NOT NULL REFERENCES "components" ("id"), "rank" ${t.integer} NOT NULL,
        "parent" ${t.text} NOT NULL, PRIMARY KEY ("component", "rank"))`,
      `CREATE INDEX "componentParentsByParent" ON "componentParents" ("parent")`,
    ],
  },
];

/**
 * May a component hang below these? Active MLMs of its own customer or of the provider, or the application server itself,
 * and none that stands below the component: there is never a circle.
 * @throws BH-E-NOT-FOUND, BH-E-TARGET
 */
export function checkParents(tree: ComponentTree, id: string, parents: readonly string[], provider: string): void {
  const component = tree.get(id);
  if (!component) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `component ${id}` });
  if (new Set(parents).size !== parents.length) throw target(`a parent of ${id} is named twice`);
  for (const parent of parents) {
    if (parent === tree.self) continue;
    const above = tree.get(parent);
    if (above?.kind !== 'mlm' || above.state !== 'active') throw target(`parent ${parent} is no active MLM`);
    if (above.customer !== component.customer && above.customer !== provider)
      throw target(`parent ${parent} is of another customer`);
    if (tree.isBelow(parent, id)) throw target(`parent ${parent} stands below ${id}: that would be a circle`);
  }
}

const target = (detail: string) => new BackhaulError('BH-E-TARGET', { detail });
