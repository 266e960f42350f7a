import { jsonData, type MessageResponse } from '@backhaul/envelope';
import { isAtOrBelow } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { pageOf, pageQuery, readCursor, textKey, toPage } from '../api/paging.ts';
import { type RouteRequest, route } from '../api/route.ts';
import type { Transaction } from '../store/database.ts';
import { scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import {
  applyWord,
  type CommandPath,
  commandPathStatements,
  PATH_STATES,
  type PathState,
  pathsOfMessage,
} from './command-paths.ts';
import { type CommandMember, commandTarget, readCommandTarget } from './command-target.ts';
import { componentsBelow } from './components-below.ts';
import type { ArrivedMessage, HandleResult, ServiceModule } from './service-module.ts';

export interface CommandTables {
  commands: ScopeColumns & {
    id: string;
    command: string;
    destination: string;
    parameters: string;
    createdAt: number;
    expiresAt: number;
  };
  commandMembers: ScopeColumns & {
    commandId: string;
    component: string;
    state: string;
    code: string | null;
    text: string | null;
    /** data of the answer as JSON */
    result: string | null;
    updatedAt: number;
  };
}

/** What a component understands; the list is the wire's. */
const COMMANDS = [
  ...['ping', 'get-status', 'get-configuration'],
  ...['list-dead-letters', 'read-dead-letter', 'replay-dead-letter', 'discard-dead-letter'],
] as const;
const MEMBER_STATES = ['pending', 'accepted', 'done', 'failed', 'refused', 'expired', 'revoked'] as const;
/** A final word of the member itself replaces everything; our own `expired` only what is not final. */
const OPEN_STATES = ['pending', 'accepted'];

const HOUR_MS = 3_600_000;
const MAX_LIFE_MS = 30 * 24 * HOUR_MS;

const parameter = z.union([z.string().max(1024), z.number(), z.boolean()]);
const commandRequest = z
  .strictObject({
    destination: commandTarget,
    command: z
      .string()
      .max(64)
      .meta({ description: COMMANDS.join(', ') }),
    parameters: z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,63}$/), parameter).optional(),
    expiresInMs: z.int().min(1_000).max(MAX_LIFE_MS).default(HOUR_MS),
  })
  .meta({ id: 'CommandRequest' });

const commandSummary = z
  .strictObject({
    id: z.string(),
    command: z.string(),
    destination: z.unknown(),
    customer: z.string(),
    createdAt: z.int(),
    expiresAt: z.int(),
  })
  .meta({ id: 'CommandSummary' });

const commandState = z
  .strictObject({
    ...commandSummary.shape,
    members: z.array(
      z.strictObject({
        component: z.string(),
        state: z.enum(MEMBER_STATES),
        code: z.string().optional(),
        text: z.string().optional(),
        result: z.unknown(),
        updatedAt: z.int(),
        paths: z
          .array(
            z.strictObject({
              path: z.string(),
              kind: z.enum(['parent', 'proxy']),
              state: z.enum(PATH_STATES),
              code: z.string().nullable(),
              text: z.string().nullable(),
              at: z.int(),
              updatedAt: z.int(),
            }),
          )
          .optional()
          .meta({ description: 'how far it is on each way to a member that has several' }),
      }),
    ),
  })
  .meta({ id: 'CommandState' });

/** Commands and what became of them, member by member. The members are frozen when the command is given [DESIGN §5]. */
export const commands: ServiceModule = {
  name: 'commands',
  subscriptions: [{ class: 'command', contentType: 'messageResponse' }],
  migrations: [
    {
      owner: 'commands',
      version: 1,
      statements: (t) => [
        `CREATE TABLE "commands" ("id" ${t.text} PRIMARY KEY, "command" ${t.text} NOT NULL, "destination" ${t.text} NOT NULL, "parameters" ${t.text} NOT NULL,
          "createdAt" ${t.integer} NOT NULL, "expiresAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
        `CREATE TABLE "commandMembers" ("commandId" ${t.text} NOT NULL REFERENCES "commands" ("id") ON DELETE CASCADE, "component" ${t.text} NOT NULL,
          "state" ${t.text} NOT NULL, "code" ${t.text}, "text" ${t.text}, "result" ${t.text}, "updatedAt" ${t.integer} NOT NULL,
          ${scopeColumns(t)}, PRIMARY KEY ("commandId", "component"))`,
        `CREATE INDEX "commandsByExpiry" ON "commands" ("expiresAt")`,
      ],
    },
    { owner: 'commands', version: 2, statements: commandPathStatements },
  ],
  handle: settle,
  tick: expire,
  moveTimes,
  routes: [
    route({
      method: 'post',
      path: '/commands',
      tag: 'commands',
      summary: 'Send a command to a component or a group',
      body: commandRequest,
      status: 202,
      reply: z.strictObject({ id: z.string() }),
      handle: sendCommand,
    }),
    route({
      method: 'get',
      path: '/commands',
      tag: 'commands',
      summary: 'Commands, the newest first',
      query: pageQuery,
      reply: pageOf(commandSummary),
      handle: ({ queries, query }) => listCommands(queries, query),
    }),
    route({
      method: 'get',
      path: '/commands/:id',
      tag: 'commands',
      summary: 'One command and the outcome at each member',
      params: z.strictObject({ id: z.string().max(64) }),
      reply: commandState,
      handle: ({ queries, params }) => readCommand(queries, params.id),
    }),
  ],
};

type Sending = Pick<
  RouteRequest<unknown, unknown, z.output<typeof commandRequest>>,
  'services' | 'queries' | 'body' | 'now'
>;

/** A command on its way, with a row for each member's answer. @throws BH-E-COMMAND-UNKNOWN, BH-E-TARGET */
export async function sendCommand({ services, queries, body, now }: Sending): Promise<{ id: string }> {
  if (!COMMANDS.some((known) => known === body.command))
    throw new BackhaulError('BH-E-COMMAND-UNKNOWN', { detail: body.command });
  const parameters = body.parameters ?? {};
  return services.database.transaction(async (tx) => {
    const target = await readCommandTarget(services, queries, body.destination); // in here no group changes any more
    const id = await services.downward.send(tx, services.directory.tree, {
      ...{ class: 'command', subclass: body.command, content: jsonData({ parameters }) },
      ...{ destination: target.destination, members: target.carriers, expiresInMs: body.expiresInMs },
      ...(target.instance === undefined ? {} : { instance: target.instance, eventKey: eventKeyOf }),
    });
    const row = {
      ...{ id, command: body.command, destination: JSON.stringify(body.destination) },
      parameters: JSON.stringify(parameters),
    };
    await tx.db
      .insertInto('commands')
      .values({ ...row, ...target.scope, createdAt: now, expiresAt: now + body.expiresInMs })
      .execute();
    for (const member of target.members) {
      const columns = { customer: member.customer, site: member.site, instance: null, class: 'command' };
      const pending = { state: 'pending', code: null, text: null, result: null, updatedAt: now };
      await tx.db
        .insertInto('commandMembers')
        .values({ ...columns, commandId: id, component: member.id, ...pending })
        .execute();
      await addPaths(tx, id, member, columns, now);
    }
    return { id };
  });
}

/** One row for each path of a member with more than one, or with a proxy in front of it. */
async function addPaths(
  tx: Transaction,
  commandId: string,
  { id, paths, kind, laterMs }: CommandMember,
  columns: ScopeColumns,
  now: number,
): Promise<void> {
  const common = { ...columns, commandId, member: id, kind, code: null, text: null, updatedAt: now };
  for (const [rank, { path, instance }] of paths.entries()) {
    const isSent = kind === 'parent' || rank === 0;
    const sent = isSent
      ? { messageId: commandId, state: 'sent' as const, at: now }
      : { messageId: null, state: 'planned' as const, at: now + rank * laterMs };
    await tx.db
      .insertInto('commandPaths')
      .values({ ...common, instance, path, rank, ...sent })
      .execute();
  }
}

async function settle(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const answer = message.content();
  if (answer.type !== 'messageResponse') return undefined;
  const { source } = message.header;
  const named = membersNamed(answer);
  const paths = await pathsOfMessage(tx, answer.request);
  if (paths.length > 0 && (await settlePaths(tx, message, answer, paths, named))) return undefined;
  const own = named === undefined ? await membersOf(tx, answer.request).where('component', '=', source).execute() : [];
  const byPaths = new Set(paths.map(({ member }) => member));
  const meant = own.length > 0 ? own : await membersSpokenFor(tx, source, answer, named);
  const members = meant.filter(({ component }) => !byPaths.has(component));
  if (members.length === 0 && meant.length > 0) return undefined; // settled by their paths
  if (members.length === 0) return { note: `${source} was not asked ${answer.request}` };
  const speaksForOthers = own.length === 0;
  const isOpen = ({ state }: { state: string }) =>
    speaksForOthers ? OPEN_STATES.includes(state) : answer.status !== 'accepted' || state === 'pending';
  const outcome = {
    state: stateOf(answer),
    code: answer.code ?? null,
    text: answer.text,
    result: speaksForOthers ? null : resultOf(answer),
    updatedAt: message.receivedAt,
  };
  for (const { component } of members.filter(isOpen)) {
    await tx.db
      .updateTable('commandMembers')
      .set(outcome)
      .where((eb) => eb.and({ commandId: answer.request, component }))
      .execute();
  }
  return undefined;
}

/** Members with several paths. True: the answer was of one of them itself, and nobody else is concerned. */
async function settlePaths(
  tx: Transaction,
  message: ArrivedMessage,
  answer: MessageResponse,
  paths: readonly CommandPath[],
  named: ReadonlySet<string> | undefined,
): Promise<boolean> {
  const { source, routing, instance } = message.header;
  const state = stateOf(answer);
  const mine = paths.filter((row) => isOwnWord(row, source, instance, answer.request));
  if (named === undefined && mine.length > 0) {
    const { member } = mine[0]!;
    const by = mine.find(({ path, kind }) => kind === 'proxy' || routing.some(({ id }) => id === path)) ?? mine[0]!;
    await applyWord(
      tx,
      paths,
      member,
      [{ path: by.path, state, own: true }],
      answer,
      resultOf(answer),
      message.receivedAt,
    );
    return true;
  }
  if (state === 'done' || state === 'accepted') return false;
  const below = await componentsBelow(tx, source);
  const meant = named === undefined || named.size === 0 ? below : await atOrBelow(tx, named);
  for (const [member, rows] of Map.groupBy(paths, (row) => row.member)) {
    const words = rows
      .filter((row) => row.messageId === answer.request && isSpokenFor(row, source, below, meant))
      .map(({ path }) => ({ path, state, own: false }));
    await applyWord(tx, paths, member, words, answer, null, message.receivedAt);
  }
  return false;
}

/** The member itself, or the proxy of a support instance for the message that went through it. */
function isOwnWord(row: CommandPath, source: string, instance: string | undefined, request: string): boolean {
  if (row.kind === 'parent') return row.member === source;
  return row.path === source && row.messageId === request && (instance === undefined || isAtOrBelow(instance, source));
}

/** By an MLM at which this path ends, or below which it runs. */
function isSpokenFor(
  { kind, path, member }: CommandPath,
  source: string,
  below: ReadonlySet<string>,
  meant: ReadonlySet<string>,
): boolean {
  if (kind === 'proxy') return below.has(path) && meant.has(path);
  return below.has(member) && (meant.has(member) || meant.has(path)) && (path === source || below.has(path));
}

const stateOf = ({ status, code }: MessageResponse): PathState => (code === 'BH-E-REVOKED' ? 'revoked' : status);
const eventKeyOf = (id: string): string => `command/${id}`;

const membersOf = (tx: Transaction, commandId: string) =>
  tx.db.selectFrom('commandMembers').select(['component', 'state']).where('commandId', '=', commandId);

/**
 * An MLM on whose way a command ended says so itself: for the members that it names, or for all below it. A
 * member's own final word stands.
 */
async function membersSpokenFor(
  tx: Transaction,
  source: string,
  { request, status }: MessageResponse,
  named: ReadonlySet<string> = new Set(),
): Promise<{ component: string; state: string }[]> {
  if (status === 'done' || status === 'accepted') return [];
  const below = await componentsBelow(tx, source);
  const spokenFor = named.size === 0 ? below : await atOrBelow(tx, named);
  const isMeant = (id: string) => below.has(id) && spokenFor.has(id);
  return (await membersOf(tx, request).execute()).filter(({ component }) => isMeant(component));
}

/** A hop names whose mailbox it was: the member itself, or the next hop on the way to it. */
async function atOrBelow(tx: Transaction, ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const mlms = await tx.db.selectFrom('components').select('id').where('kind', '=', 'mlm').execute();
  const all = new Set(ids);
  for (const { id } of mlms.filter((mlm) => ids.has(mlm.id)))
    for (const member of await componentsBelow(tx, id)) all.add(member);
  return all;
}

const speaksFor = z.strictObject({ members: z.array(z.string()) });

/** The members that an MLM names as those it speaks for; nothing when the answer is the sender's own. */
function membersNamed({ status, data }: MessageResponse): ReadonlySet<string> | undefined {
  if (status === 'done' || status === 'accepted' || data?.mimeType !== 'application/json') return undefined;
  const { data: found } = speaksFor.safeParse(safeJson(data.text));
  return found && new Set(found.members);
}

/** JSON as it is, other text as a string. */
function resultOf({ data }: MessageResponse): string | null {
  if (!data) return null;
  return data.mimeType === 'application/json' && data.encoding === 'none' ? data.text : JSON.stringify(data.text);
}

async function expire(tx: Transaction, now: number): Promise<void> {
  const over = tx.db.selectFrom('commands').select('id').where('expiresAt', '<=', now);
  const outcome = { state: 'expired', code: 'BH-E-EXPIRED', updatedAt: now };
  await tx.db
    .updateTable('commandMembers')
    .set(outcome)
    .where('state', 'in', OPEN_STATES)
    .where('commandId', 'in', over)
    .execute();
}

async function moveTimes(tx: Transaction, ms: number, before: number): Promise<void> {
  await tx.run('UPDATE "commands" SET "expiresAt" = "expiresAt" + ? WHERE "expiresAt" > ?', [[ms, before]]);
  await tx.run(`UPDATE "commandPaths" SET "at" = "at" + ? WHERE "state" = 'planned'`, [[ms]]);
}

async function listCommands(queries: ScopedQueries, page: z.output<typeof pageQuery>) {
  const [before] = readCursor(page, textKey) ?? ['~'];
  const rows = await queries
    .from('commands')
    .selectAll()
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page, ({ id }) => [id], asSummary);
}

async function readCommand(queries: ScopedQueries, id: string) {
  const row = await queries.from('commands').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `command ${id}` });
  const members = await queries
    .from('commandMembers')
    .selectAll()
    .where('commandId', '=', id)
    .orderBy('component')
    .execute();
  const paths = await queries
    .from('commandPaths')
    .selectAll()
    .where('commandId', '=', id)
    .orderBy('member')
    .orderBy('rank')
    .execute();
  return {
    ...asSummary(row),
    members: members.map((member) =>
      asMember(
        member,
        paths.filter((path) => path.member === member.component),
      ),
    ),
  };
}

function asSummary({ id, command, destination, customer, createdAt, expiresAt }: CommandTables['commands']) {
  return { id, command, destination: JSON.parse(destination) as unknown, customer, createdAt, expiresAt };
}

function asMember(
  { component, state, code, text, result, updatedAt }: CommandTables['commandMembers'],
  paths: readonly CommandPath[],
) {
  return {
    ...{ component, state: state as (typeof MEMBER_STATES)[number], updatedAt, result: safeJson(result) },
    ...(code === null ? {} : { code }),
    ...(text === null ? {} : { text }),
    ...(paths.length === 0 ? {} : { paths: paths.map(asPath) }),
  };
}

function asPath({ path, kind, state, code, text, at, updatedAt }: CommandPath) {
  return { path, kind, state, code, text, at, updatedAt };
}

/** An answer that says it is JSON and is not is shown as text. */
function safeJson(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
