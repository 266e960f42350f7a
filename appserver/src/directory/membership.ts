import { createHash } from 'node:crypto';
import { type Header, jsonData } from '@backhaul/envelope';
import type { MembershipDocument } from '@backhaul/identity';
import type { Downward } from '../mailboxes/downward.ts';
import type { Transaction } from '../store/database.ts';
import type { ComponentRecord, ComponentTree } from './component-tree.ts';
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

/**
 * Puts a new membership into the mailbox of every MLM whose subtree changed, in the transaction of the change, so that it
 * goes ahead of whatever relies on it. It takes the place of those that wait unread with nothing behind them that relies on
 * them, and a full mailbox takes it: an MLM that is away keeps nobody from revoking what stands below it, and there is never
 * more than one of each MLM between two other messages.
 */
export async function pushMemberships(tx: Transaction, snapshot: DirectorySnapshot, downward: Downward): Promise<void> {
  const { tree } = snapshot;
  const mlms = reachableMlms(snapshot);
  const changed = new Set<string>();
  for (const id of mlms) if (await renewVersion(tx, snapshot, id)) changed.add(id);
  const due = await withThoseTakenBack(tx, tree, downward, changed);
  for (const id of mlms) if (due.has(id)) await send(tx, snapshot, downward, id);
}

/** Whether this MLM's membership is another one than it was told last; then it has the next version. */
async function renewVersion(tx: Transaction, snapshot: DirectorySnapshot, id: string): Promise<boolean> {
  const membershipHash = hashOf(membershipOf(snapshot, id));
  const known = await membershipRow(tx, id);
  if (known.membershipHash === membershipHash) return false;
  const membershipVersion = known.membershipVersion + 1;
  await tx.db.updateTable('components').set({ membershipVersion, membershipHash }).where('id', '=', id).execute();
  return true;
}

const hashOf = (membership: Membership): string =>
  createHash('sha256').update(JSON.stringify(membership)).digest('hex');

const membershipRow = (tx: Transaction, id: string) =>
  tx.db
    .selectFrom('components')
    .select(['membershipVersion', 'membershipHash'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();

/**
 * Takes back the memberships at the end of the mailboxes through which the new ones go. Whose they are are told again, behind
 * those of the MLMs above them: they are added to `due`, whose own mailboxes are looked at in turn.
 */
async function withThoseTakenBack(
  tx: Transaction,
  tree: ComponentTree,
  downward: Downward,
  changed: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const due = new Set(changed);
  const hops = new Set<string>();
  for (const id of due) for (const hop of tree.nextHops(id)) hops.add(hop);
  for (const hop of hops) {
    for (const { destination } of await downward.takeFromEnd(tx, hop, isMembership)) {
      const id = destination?.kind === 'component' ? destination.id : undefined;
      if (id === undefined) continue;
      due.add(id);
      for (const other of tree.nextHops(id)) hops.add(other);
    }
  }
  return due;
}

const isMembership = (header: Pick<Header, 'class' | 'subclass'>): boolean =>
  header.class === 'infrastructure' && header.subclass === 'membership';

/** Those above first, so that each knows whom it passes the next ones on to. */
function reachableMlms({ tree }: DirectorySnapshot): string[] {
  const mlms = tree
    .all()
    .filter(({ id, kind, state }) => kind === 'mlm' && state === 'active' && tree.nextHops(id).length > 0);
  return mlms.map(({ id }) => id).toSorted((a, b) => tree.depth(a) - tree.depth(b));
}

async function send(tx: Transaction, snapshot: DirectorySnapshot, downward: Downward, mlm: string): Promise<void> {
  const { membershipVersion: version } = await membershipRow(tx, mlm);
  const document: MembershipDocument = { version, ...membershipOf(snapshot, mlm) };
  await downward.send(tx, snapshot.tree, {
    class: 'infrastructure',
    subclass: 'membership',
    content: jsonData(document),
    destination: { kind: 'component', id: mlm },
    members: [mlm],
    expiresInMs: MEMBERSHIP_LIFE_MS,
    pastQuota: true,
  });
}
