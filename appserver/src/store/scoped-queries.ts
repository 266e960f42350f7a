import type { ExpressionBuilder, Kysely, SelectQueryBuilder } from 'kysely';
import type { Schema, ScopeColumns } from './schema.ts';
import { type Grant, requireScope, type Scope } from './scope.ts';

/** Tables whose rows carry the scope's columns; only these can be asked for here. */
export type ScopedTable = {
  [T in keyof Schema]: Schema[T] extends ScopeColumns ? T : never;
}[keyof Schema];

const NARROWING_FIELDS = ['site', 'instance', 'class'] as const;

/**
 * The one layer through which customers' data is read [DESIGN §7]. Each query starts with the asker's scope as its
 * condition, so a forgotten `where` shows less than meant, never more. A table that this class cannot name is not read.
 */
export class ScopedQueries {
  readonly scope: Scope;
  readonly #db: Kysely<Schema>;

  /** @throws BH-E-FORBIDDEN without a scope */
  constructor(db: Kysely<Schema>, scope: Scope | undefined) {
    this.#db = db;
    this.scope = requireScope(scope);
  }

  /** A select of the rows of one table that the asker may see; choose the columns next. */
  from<T extends ScopedTable>(table: T): SelectQueryBuilder<Schema, T, object> {
    const query = this.#db.selectFrom(table as ScopedTable) as unknown as SelectQueryBuilder<
      Schema,
      'components',
      object
    >;
    const scoped = this.scope.kind === 'everything' ? query : query.where((eb) => withinGrants(eb, this.scope));
    return scoped as unknown as SelectQueryBuilder<Schema, T, object>;
  }
}

/** Any table has the same four columns, so the condition is written for one of them. */
function withinGrants(eb: ExpressionBuilder<Schema, 'components'>, scope: Scope) {
  const grants = scope.kind === 'grants' ? scope.grants : [];
  return grants.length === 0 ? eb.lit(false) : eb.or(grants.map((grant) => withinGrant(eb, grant)));
}

function withinGrant(eb: ExpressionBuilder<Schema, 'components'>, grant: Grant) {
  const narrowed = NARROWING_FIELDS.filter((field) => grant[field] !== undefined);
  return eb.and([eb('customer', '=', grant.customer), ...narrowed.map((field) => eb(field, '=', grant[field]!))]);
}
