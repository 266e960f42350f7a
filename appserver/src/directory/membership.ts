import { createHash } from 'node:crypto';
import { jsonData } from '@backhaul/envelope';
import type { MembershipDocument } from '@backhaul/identity';
import type { Downward } from '../mailboxes/downward.ts';
import type { Transaction } from '../store/database.ts';
import type { ComponentRecord } from './component-tree.ts';
import type { DirectorySnapshot } from './directory-snapshot.ts';

/** A membership matters until the next one; this long at most. */
const MEMBERSHIP_LIFE_MS = 366 * 24 * 3_600_000;

export type Membership = Omit<MembershipDocument, 'version'>;

/** What an MLM must know: itself and everything below it, and of each group the members that stand below it [DESIGN §5]. */
export function membershipOf(snapshot: DirectorySnapshot, mlm: string): Membership {
  const { tree } = snapshot;
  const subtree = tree.subtree(mlm);
  const ids = new Set(subtree.map(({ id }) => id));
  const groups = snapshot.groups().map(({ name, members }) => [name, members.filter((id) => ids.has(id))] as const);
  return {
    components: subtree.map((component) => asMember(component, mlm, ids)),
    groups: Object.fromEntries(groups.filter(([, members]) => members.length > 0)),
  };
}

/**
 * Its parents as this MLM needs them: those that stand at or below it. One that prefers a parent elsewhere hangs below this
 * MLM here all the same.
 */
function asMember(
  { id, kind, parents, customer, site, state }: ComponentRecord,
  mlm: string,
  ids: ReadonlySet<string>,
): Membership['components'][number] {
  const [parent = parents[0]!, ...alternates] = id === mlm ? parents : parents.filter((above) => ids.has(above));
  return {
    ...{ id, kind, parent, customer, site: site ?? customer, state },
    ...(alternates.length === 0 || id === mlm ? {} : { alternates }),
  };
}

export const membershipHash = (membership: Membership): string =>
  createHash('sha256').update(JSON.stringify(membership)).digest('hex');

/**
 * Puts a new membership into the mailbox of every MLM whose subtree changed, in the transaction of the change, so that it
 * goes ahead of whatever relies on it.
 */
export async function pushMemberships(tx: Transaction, snapshot: DirectorySnapshot, downward: Downward): Promise<void> {
  for (const id of reachableMlms(snapshot)) {
    const membership = membershipOf(snapshot, id);
    const hash = membershipHash(membership);
    const known = await tx.db
      .selectFrom('components')
      .select(['membershipVersion', 'membershipHash'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    if (known.membershipHash === hash) continue;
    const version = known.membershipVersion + 1;
    await tx.db
      .updateTable('components')
      .set({ membershipVersion: version, membershipHash: hash })
      .where('id', '=', id)
      .execute();
    await send(tx, snapshot, downward, id, { version, ...membership });
  }
}

/** Those above first, so that each knows whom it passes the next ones on to. */
function reachableMlms({ tree }: DirectorySnapshot): string[] {
  const mlms = tree
    .all()
    .filter(({ id, kind, state }) => kind === 'mlm' && state === 'active' && tree.nextHops(id).length > 0);
  return mlms.map(({ id }) => id).toSorted((a, b) => tree.depth(a) - tree.depth(b));
}

async function send(
  tx: Transaction,
  snapshot: DirectorySnapshot,
  downward: Downward,
  mlm: string,
  document: MembershipDocument,
): Promise<void> {
  await downward.send(tx, snapshot.tree, {
    class: 'infrastructure',
    subclass: 'membership',
    content: jsonData(document),
    destination: { kind: 'component', id: mlm },
    members: [mlm],
    expiresInMs: MEMBERSHIP_LIFE_MS,
  });
}
