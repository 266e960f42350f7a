import type { Destination } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import type { Services } from '../api/services.ts';
import { readTarget, target } from '../api/target.ts';
import { twinsOf } from '../queries/twins.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** A component, a group, or a support instance by its remote-services ID. */
export const commandTarget = z
  .union([target, z.strictObject({ instance: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })])
  .meta({ id: 'CommandTarget' });
export type CommandTarget = z.output<typeof commandTarget>;

/** One who is to do it, and the ways to it when there are several. */
export interface CommandMember {
  readonly id: string;
  readonly customer: string;
  readonly site: string | null;
  readonly kind: 'parent' | 'proxy';
  /** in order of preference; empty: the one there is. `instance`: what the machine is called at that proxy */
  readonly paths: readonly { readonly path: string; readonly instance: string | null }[];
  /** how long the path before has to accept */
  readonly laterMs: number;
}

export interface ResolvedCommandTarget {
  readonly destination: Destination;
  readonly members: readonly CommandMember[];
  /** components whose mailboxes' ways the first message goes */
  readonly carriers: readonly string[];
  /** the support instance it is about */
  readonly instance?: string;
  readonly scope: ScopeColumns;
}

/** Who is meant, all of them within the asker's scope. @throws BH-E-TARGET */
export async function readCommandTarget(
  services: Services,
  queries: ScopedQueries,
  wanted: CommandTarget,
): Promise<ResolvedCommandTarget> {
  if ('instance' in wanted) return readInstanceTarget(services, queries, wanted.instance);
  const { tree } = services.directory;
  const { members, destination, scope } = await readTarget(services.directory, queries, wanted);
  const asMember = (id: string): CommandMember => {
    const { customer, site, parents } = tree.get(id)!;
    const paths = parents.length > 1 ? parents.map((path) => ({ path, instance: null })) : [];
    return { id, customer, site, kind: 'parent', paths, laterMs: 0 };
  };
  return { destination, scope, members: members.map(asMember), carriers: members };
}

/** The instance at its own proxy, then the same machine at the others; a proxy that is overdue comes last. */
async function readInstanceTarget(
  { directory, overdue, commandPathAfterMs }: Services,
  queries: ScopedQueries,
  instance: string,
): Promise<ResolvedCommandTarget> {
  const twins = await twinsOf(queries, instance);
  const active = twins.filter(({ component }) => directory.tree.get(component)?.state === 'active');
  const isAway = ({ component }: { component: string }) => {
    const phase = overdue.state(component)?.phase;
    return phase === 'overdue' || phase === 'unreachable';
  };
  const [first, ...others] = active.toSorted((a, b) => Number(isAway(a)) - Number(isAway(b)));
  if (!first) throw new BackhaulError('BH-E-TARGET', { detail: `instance ${instance}` });
  const { customer, site } = first;
  const paths = [first, ...others].map(({ id, component }) => ({ path: component, instance: id }));
  return {
    destination: { kind: 'component', id: first.component },
    members: [{ id: instance, customer, site, kind: 'proxy', paths, laterMs: commandPathAfterMs }],
    carriers: [first.component],
    instance: first.id,
    scope: { customer, site, instance, class: null },
  };
}
