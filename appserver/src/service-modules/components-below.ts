import type { Transaction } from '../store/database.ts';

/** IDs of everything that is registered below a component; nobody speaks for another than these [DESIGN §7]. */
export async function componentsBelow(tx: Transaction, ancestor: string): Promise<ReadonlySet<string>> {
  const rows = await tx.db
    .withRecursive('below', (db) =>
      db
        .selectFrom('components')
        .select('id')
        .where('parent', '=', ancestor)
        .union(db.selectFrom('componentParents').select('component as id').where('parent', '=', ancestor))
        .union(db.selectFrom('components').innerJoin('below', 'below.id', 'components.parent').select('components.id'))
        .union(
          db
            .selectFrom('componentParents')
            .innerJoin('below', 'below.id', 'componentParents.parent')
            .select('componentParents.component as id'),
        ),
    )
    .selectFrom('below')
    .select('id')
    .execute();
  return new Set(rows.map(({ id }) => id));
}
