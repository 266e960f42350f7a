import { osPackages, patches, payloadOf } from '@backhaul/envelope';
import { sql } from 'kysely';
import { z } from 'zod';
import { pageOf, pageQuery, readCursor, textKey, toPage } from '../api/paging.ts';
import { route } from '../api/route.ts';
import type { Transaction } from '../store/database.ts';
import { scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import {
  type ArrivedMessage,
  type HandleResult,
  type ServiceModule,
  scopeColumnsOf,
  subjectOf,
} from './service-module.ts';
import { isOlder, toldTime } from './told-time.ts';

/** Counts by instance, class and part; what is available is kept by name. */
export interface PatchTables {
  patchParts: ScopeColumns & {
    subject: string;
    part: number;
    manager: string;
    entries: number;
    security: number;
    /** `known`, `unavailable`; null for installed packages */
    state: string | null;
    reason: string | null;
    /** the available ones as JSON */
    items: string;
    madeAt: number;
    receivedAt: number;
  };
}

const available = z.array(
  z.strictObject({
    name: z.string(),
    installed: z.string().optional(),
    candidate: z.string(),
    security: z.boolean().optional(),
  }),
);

const item = z
  .strictObject({
    instance: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    manager: z.string(),
    packages: z.int().meta({ description: 'installed packages' }),
    state: z
      .string()
      .nullable()
      .meta({ description: '`known`, `unavailable` with a reason, or null when nothing was said yet' }),
    reason: z.string().nullable(),
    available: z.int(),
    security: z.int(),
    updatedAt: z.int(),
    patches: available,
  })
  .meta({ id: 'PatchState' });

/** Which machines lack which patches: subscribes to patches and to operating-system packages (fig. 3). */
export const patchManagement: ServiceModule = {
  name: 'patch-management',
  subscriptions: [{ class: 'patches' }, { class: 'os-packages' }],
  migrations: [
    {
      owner: 'patch-management',
      version: 1,
      statements: (t) => [
        `CREATE TABLE "patchParts" ("subject" ${t.text} NOT NULL, "part" ${t.integer} NOT NULL, "manager" ${t.text} NOT NULL, "entries" ${t.integer} NOT NULL,
          "security" ${t.integer} NOT NULL, "state" ${t.text}, "reason" ${t.text}, "items" ${t.text} NOT NULL, "madeAt" ${t.integer} NOT NULL,
          "receivedAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("subject", "class", "part"))`,
      ],
    },
  ],
  async handle(tx, message) {
    return keep(tx, message, message.header.class === 'patches' ? fromPatches(message) : fromPackages(message));
  },
  routes: [
    route({
      method: 'get',
      path: '/services/patch-management',
      tag: 'services',
      summary: 'Patches available and packages installed, by support instance',
      query: pageQuery,
      reply: pageOf(item),
      handle: ({ queries, query }) => list(queries, query),
    }),
  ],
};

type PartRow = Pick<
  PatchTables['patchParts'],
  'part' | 'manager' | 'entries' | 'security' | 'state' | 'reason' | 'items'
> & { parts: number };

function fromPatches(message: ArrivedMessage): PartRow {
  const { part = 1, parts = 1, manager, available: list, state, reason } = payloadOf(patches, message.content());
  const security = list.filter((patch) => patch.security).length;
  return {
    part,
    parts,
    manager,
    entries: list.length,
    security,
    state,
    reason: reason ?? null,
    items: JSON.stringify(list),
  };
}

function fromPackages(message: ArrivedMessage): PartRow {
  const { part = 1, parts = 1, manager, packages } = payloadOf(osPackages, message.content());
  return { part, parts, manager, entries: packages.length, security: 0, state: null, reason: null, items: '[]' };
}

async function keep(tx: Transaction, message: ArrivedMessage, { parts, ...row }: PartRow): Promise<HandleResult> {
  const key = { subject: subjectOf(message), class: message.header.class };
  const known = await tx.db
    .selectFrom('patchParts')
    .select('madeAt')
    .where((eb) => eb.and({ ...key, part: row.part }))
    .executeTakeFirst();
  const madeAt = toldTime(message.header.madeAt, message);
  if (isOlder(madeAt, known?.madeAt, message)) return { note: 'older than what is known' };
  await tx.db
    .deleteFrom('patchParts')
    .where((eb) => eb.and([eb.and(key), eb.or([eb('part', '=', row.part), eb('part', '>', parts)])]))
    .execute();
  const times = { madeAt, receivedAt: message.receivedAt };
  await tx.db
    .insertInto('patchParts')
    .values({ ...scopeColumnsOf(message), ...key, ...row, ...times })
    .execute();
  return undefined;
}

async function list(queries: ScopedQueries, page: z.output<typeof pageQuery>) {
  const [after] = readCursor(page, textKey) ?? [''];
  const subjects = await queries
    .from('patchParts')
    .select(['subject', 'customer', 'site', sql<number>`max("receivedAt")`.as('updatedAt')])
    .where('subject', '>', after)
    .groupBy(['subject', 'customer', 'site'])
    .orderBy('subject')
    .limit(page.limit + 1)
    .execute();
  const names = subjects.map(({ subject }) => subject);
  const parts =
    names.length === 0
      ? []
      : await queries.from('patchParts').selectAll().where('subject', 'in', names).orderBy('part').execute();
  const bySubject = Map.groupBy(parts, ({ subject }) => subject);
  return toPage(
    subjects,
    page,
    ({ subject }) => [subject],
    ({ subject, ...row }) => ({ instance: subject, ...row, ...summarise(bySubject.get(subject) ?? []) }),
  );
}

function summarise(parts: readonly PatchTables['patchParts'][]) {
  const patchRows = parts.filter((part) => part.class === 'patches');
  const sum = (rows: typeof parts, field: 'entries' | 'security') => rows.reduce((total, row) => total + row[field], 0);
  return {
    manager: parts[0]?.manager ?? '',
    packages: sum(
      parts.filter((part) => part.class === 'os-packages'),
      'entries',
    ),
    state: patchRows[0]?.state ?? null,
    reason: patchRows[0]?.reason ?? null,
    available: sum(patchRows, 'entries'),
    security: sum(patchRows, 'security'),
    patches: patchRows.flatMap(({ items }) => available.parse(JSON.parse(items))),
  };
}
