import { BackhaulError } from '@backhaul/runtime';

/** A piece of customers' data somebody may see. What is left out is not narrowed. */
export interface Grant {
  readonly customer: string;
  readonly site?: string;
  readonly instance?: string;
  readonly class?: string;
}

/** What the asker may see: everything, or the union of grants. No grants: nothing. */
export type Scope = { readonly kind: 'everything' } | { readonly kind: 'grants'; readonly grants: readonly Grant[] };

export const EVERYTHING: Scope = { kind: 'everything' };
export const NOTHING: Scope = { kind: 'grants', grants: [] };

/** A forgotten scope is a refusal, not everything. @throws BH-E-FORBIDDEN */
export function requireScope(scope: Scope | undefined): Scope {
  if (scope?.kind === 'everything') return EVERYTHING;
  if (
    scope?.kind === 'grants' &&
    Array.isArray(scope.grants) &&
    scope.grants.every((grant) => typeof grant.customer === 'string')
  )
    return scope;
  throw new BackhaulError('BH-E-FORBIDDEN', { detail: 'no scope was given' });
}
