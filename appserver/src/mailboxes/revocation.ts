import { jsonData, readHeader } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import type { Services } from '../api/services.ts';
import { FINAL_STATES } from '../service-modules/installs.ts';
import type { Transaction } from '../store/database.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

/** A revocation is of use as long as the message that it takes back. */
const SHORTEST_LIFE_MS = 1_000;
const SETTLED = ['done', 'failed', 'refused', 'expired', 'revoked'];

export interface Revoked {
  /** members that never had it: their next hop had not fetched it from here */
  readonly revoked: readonly string[];
  /** members whose hops are told to take it back; each one's outcome tells whether that came in time */
  readonly asked: readonly string[];
}

/**
 * Takes back a command or an offer of software, as far as it has not reached its members. What no hop has read is gone at
 * once; after what a hop may have, a revocation is sent down the same way, and the hop that still holds it answers for its
 * members [DESIGN §5]. A final word of a member itself always stands.
 * @throws BH-E-NOT-FOUND, BH-E-CONFLICT when nothing of it is open any more
 */
export async function revokeMessage(
  services: Pick<Services, 'database' | 'directory' | 'downward' | 'mailboxes'>,
  queries: ScopedQueries,
  { id, reason, now }: { id: string; reason: string; now: number },
): Promise<Revoked> {
  const { database, directory, downward, mailboxes } = services;
  const row = await queries
    .from('messages')
    .select('header')
    .where((eb) => eb.and({ id, direction: 'down' }))
    .executeTakeFirst();
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `message ${id} from here` });
  const { destination, qos } = readHeader(row.header);
  const left = Math.max(SHORTEST_LIFE_MS, (qos.expiresAt ?? now) - now);
  return database.transaction(async (tx) => {
    const open = await openMembers(tx, id);
    if (open.length === 0 || !destination)
      throw new BackhaulError('BH-E-CONFLICT', { detail: `nobody is left to whom ${id} could still come` });
    const { tree } = directory;
    const unread = await mailboxes.takeUnread(tx, id);
    const hopsOf = (member: string) => tree.nextHops(tree.ownerOf(member)?.id ?? member);
    const isUnread = (member: string) => hopsOf(member).length > 0 && hopsOf(member).every((hop) => unread.has(hop));
    const revoked = open.filter(isUnread);
    const asked = open.filter((member) => !isUnread(member));
    await settle(tx, id, revoked, reason, now);
    if (asked.length > 0)
      await downward.send(tx, tree, {
        ...{ class: 'infrastructure', subclass: 'revocation', content: jsonData({ message: id, reason }), destination },
        ...{ members: asked.map((member) => tree.ownerOf(member)?.id ?? member), expiresInMs: left },
      });
    return { revoked, asked };
  });
}

/** Members of a command or a push that have not come to an end. */
async function openMembers(tx: Transaction, id: string): Promise<string[]> {
  const commands = await tx.db
    .selectFrom('commandMembers')
    .select('component')
    .where('commandId', '=', id)
    .where('state', 'not in', SETTLED)
    .execute();
  const pushes = await tx.db
    .selectFrom('pushMembers')
    .select('component')
    .where('push', '=', id)
    .where('state', 'not in', FINAL_STATES)
    .execute();
  return [...commands, ...pushes].map(({ component }) => component);
}

async function settle(
  tx: Transaction,
  id: string,
  members: readonly string[],
  reason: string,
  now: number,
): Promise<void> {
  if (members.length === 0) return;
  const outcome = { state: 'revoked', code: 'BH-E-REVOKED', updatedAt: now };
  await tx.db
    .updateTable('commandMembers')
    .set({ ...outcome, text: reason })
    .where('commandId', '=', id)
    .where('component', 'in', members)
    .execute();
  await tx.db
    .updateTable('pushMembers')
    .set({ ...outcome, reason })
    .where('push', '=', id)
    .where('component', 'in', members)
    .execute();
}
