import type { MessageResponse } from '@backhaul/envelope';
import type { Transaction } from '../store/database.ts';
import type { ColumnTypes } from '../store/migrations.ts';
import { scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';

/**
 * A member of a command that has more than one way to it, and how far the command is on each:
 * - a component with several parents: a copy waits at each of them, under one message id; the path is the parent
 * - a support instance at several proxies: the preferred proxy is asked first, the next one when it does not accept in time,
 *   each by a message of its own with the same event key; the path is the proxy
 */
export interface CommandPathTables {
  commandPaths: ScopeColumns & {
    commandId: string;
    /** as in `commandMembers` */
    member: string;
    path: string;
    kind: 'parent' | 'proxy';
    /** the preferred path is 0 */
    rank: number;
    /** of the message by this path; null: not sent yet */
    messageId: string | null;
    state: PathState;
    code: string | null;
    text: string | null;
    /** sent, or to be sent if no other path has accepted by then; wall ms */
    at: number;
    updatedAt: number;
  };
}

export const PATH_STATES = [
  'planned', 'sent', 'accepted', 'done', 'failed', 'refused', 'expired', 'revoked', 'duplicate',
] as const; // biome-ignore format: one list
export type PathState = (typeof PATH_STATES)[number];
export type CommandPath = CommandPathTables['commandPaths'];

export const commandPathStatements = (t: ColumnTypes): string[] => [
  `CREATE TABLE "commandPaths" ("commandId" ${t.text} NOT NULL REFERENCES "commands" ("id") ON DELETE CASCADE, "member" ${t.text} NOT NULL,
    "path" ${t.text} NOT NULL, "kind" ${t.text} NOT NULL, "rank" ${t.integer} NOT NULL, "messageId" ${t.text}, "state" ${t.text} NOT NULL,
    "code" ${t.text}, "text" ${t.text}, "at" ${t.integer} NOT NULL, "updatedAt" ${t.integer} NOT NULL, ${scopeColumns(t)},
    PRIMARY KEY ("commandId", "member", "path"))`,
  `CREATE INDEX "commandPathsByMessage" ON "commandPaths" ("messageId")`,
  `CREATE INDEX "commandPathsByState" ON "commandPaths" ("state", "at")`,
];

const OUTCOMES: readonly string[] = ['done', 'failed'];
const NEGATIVE: readonly string[] = ['refused', 'expired', 'revoked'];

/** What is said of one path. `own`: by the member, or by the proxy of a support instance; otherwise by an MLM on the way. */
export interface PathWord {
  readonly path: string;
  readonly state: PathState;
  readonly own: boolean;
}

/**
 * What a word of one path means for that path and for the member. The first outcome counts, a later one on another path is a
 * duplicate; a path that came to nothing settles the member only when no other is left, so that a late `expired` from a
 * path that was never used changes nothing. Pure.
 */
export function mergeWord(
  memberState: string,
  paths: readonly Pick<CommandPath, 'path' | 'kind' | 'state'>[],
  word: PathWord,
): { readonly path: PathState; readonly member: PathState | undefined } {
  const own = paths.find(({ path }) => path === word.path);
  const others = paths.filter(({ path }) => path !== word.path);
  const settled = others.some(({ state }) => OUTCOMES.includes(state));
  if (settled && word.own) return { path: 'duplicate', member: undefined };
  if (own && (OUTCOMES.includes(own.state) || (own.state === 'accepted' && !word.own)))
    return { path: own.state, member: undefined };
  if (OUTCOMES.includes(word.state)) return { path: word.state, member: word.state };
  if (word.state === 'accepted')
    return { path: 'accepted', member: memberState === 'accepted' || settled ? undefined : 'accepted' };
  const isLast = others.every(({ state }) => NEGATIVE.includes(state) || state === 'duplicate');
  const isFinal = word.own && own?.kind === 'parent'; // the member itself: no other path leads to another
  return { path: word.state, member: !settled && (isFinal || isLast) ? word.state : undefined };
}

/** Paths of a command message, whichever of them carried it. */
export async function pathsOfMessage(tx: Transaction, messageId: string): Promise<CommandPath[]> {
  const carried = tx.db.selectFrom('commandPaths').select('commandId').where('messageId', '=', messageId);
  return tx.db
    .selectFrom('commandPaths')
    .selectAll()
    .where('commandId', 'in', carried)
    .orderBy('member')
    .orderBy('rank')
    .execute();
}

/** The rows that a word is about, as the settling of members takes them. */
export async function applyWord(
  tx: Transaction,
  paths: readonly CommandPath[],
  member: string,
  words: readonly PathWord[],
  answer: MessageResponse,
  result: string | null,
  now: number,
): Promise<void> {
  for (const word of words) {
    const current = await memberRow(tx, paths[0]!.commandId, member);
    if (!current) continue;
    const own = (await memberPaths(tx, paths[0]!.commandId, member)) as CommandPath[];
    const merged = mergeWord(current.state, own, word);
    const said = { code: answer.code ?? null, text: answer.text, updatedAt: now };
    await tx.db
      .updateTable('commandPaths')
      .set({ ...said, state: merged.path })
      .where((eb) => eb.and({ commandId: current.commandId, member, path: word.path }))
      .execute();
    if (merged.member !== undefined)
      await tx.db
        .updateTable('commandMembers')
        .set({ ...said, state: merged.member, ...(word.own ? { result } : {}) })
        .where((eb) => eb.and({ commandId: current.commandId, component: member }))
        .execute();
    if (NEGATIVE.includes(merged.path)) await hurryNext(tx, current.commandId, member, now);
  }
}

/** A path that was refused makes the next one due at once. */
async function hurryNext(tx: Transaction, commandId: string, member: string, now: number): Promise<void> {
  await tx.db
    .updateTable('commandPaths')
    .set({ at: now })
    .where((eb) => eb.and({ commandId, member, state: 'planned' }))
    .execute();
}

const memberRow = (tx: Transaction, commandId: string, component: string) =>
  tx.db
    .selectFrom('commandMembers')
    .select(['commandId', 'state'])
    .where((eb) => eb.and({ commandId, component }))
    .executeTakeFirst();

const memberPaths = (tx: Transaction, commandId: string, member: string) =>
  tx.db
    .selectFrom('commandPaths')
    .selectAll()
    .where((eb) => eb.and({ commandId, member }))
    .orderBy('rank')
    .execute();
