import type { Destination } from '@backhaul/envelope';
import { isAtOrBelow } from '@backhaul/identity';
import type { MemberTree } from '../membership/member-tree.ts';

/** Whom a downward message concerns here. */
export interface Targets {
  /** the MLM itself */
  readonly here: boolean;
  /** active direct children, each once, however many members lie below it */
  readonly children: readonly string[];
}

/**
 * From a destination to the next hops, by the membership as it is now: a message is frozen when it is expanded
 * [DESIGN §5]. Undefined: the destination matches nobody, so nobody gets the message. Pure.
 */
export function expand(destination: Destination | undefined, tree: MemberTree, self: string): Targets | undefined {
  const ids = destination === undefined ? [] : idsOf(destination, tree);
  const here = ids.some((id) => isAtOrBelow(id, self));
  const hops = ids.flatMap((id) => tree.nextHops(id));
  const children = [...new Set(hops)];
  return here || children.length > 0 ? { here, children } : undefined;
}

/** The members of a destination to which these direct children lead, and no other does: one with another way is not lost. */
export function membersBelow(
  children: readonly string[],
  destination: Destination | undefined,
  tree: MemberTree,
): readonly string[] {
  const ids = destination === undefined ? [] : idsOf(destination, tree);
  return ids.filter((id) => isLedBy(children, tree.nextHops(id)));
}

const isLedBy = (children: readonly string[], hops: readonly string[]): boolean =>
  hops.length > 0 && hops.every((hop) => children.includes(hop));

function idsOf(destination: Destination, tree: MemberTree): readonly string[] {
  switch (destination.kind) {
    case 'component':
      return [destination.id];
    case 'list':
      return destination.ids;
    case 'group':
      return tree.group(destination.name) ?? [];
  }
}

/** A destination for people. */
export function destinationText(destination: Destination | undefined): string {
  if (destination === undefined) return 'no destination';
  if (destination.kind === 'list') return `a list of ${destination.ids.length}`;
  return destination.kind === 'group' ? `group ${destination.name}` : destination.id;
}
