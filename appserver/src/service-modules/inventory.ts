import { payloadOf, registration } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { pageOf, pageQuery, readCursor, textKey, toPage } from '../api/paging.ts';
import { route } from '../api/route.ts';
import { twinsOf } from '../queries/twins.ts';
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

export interface InventoryTables {
  instances: ScopeColumns & {
    id: string;
    component: string;
    kind: string;
    platform: string | null;
    managementId: string | null;
    name: string | null;
    registeredAt: number | null;
    updatedAt: number;
  };
  /** the newest of each class, part by part */
  inventoryDocuments: ScopeColumns & {
    subject: string;
    subclass: string;
    part: number;
    parts: number;
    madeAt: number;
    receivedAt: number;
    messageId: string;
    document: string;
  };
}

const CLASSES = ['os-packages', 'patches', 'disk-configuration', 'system-configuration'];

const instanceSummary = z
  .strictObject({
    instance: z.string(),
    component: z.string().meta({ description: 'the proxy it stands below' }),
    kind: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    platform: z.string().nullable(),
    managementId: z.string().nullable().meta({ description: 'what its management platform calls it' }),
    name: z.string().nullable(),
    updatedAt: z.int(),
    classes: z.array(z.string()).meta({ description: 'documents there are' }),
  })
  .meta({ id: 'InstanceSummary' });

const instanceDetail = z
  .strictObject({
    ...instanceSummary.shape,
    twins: z
      .array(z.string())
      .meta({ description: 'the same machine at other proxies of the site: further paths to it' }),
    documents: z.array(
      z.strictObject({
        class: z.string(),
        subclass: z.string(),
        part: z.int(),
        parts: z.int(),
        madeAt: z.int(),
        receivedAt: z.int(),
        message: z.string(),
        document: z.unknown(),
      }),
    ),
  })
  .meta({ id: 'InstanceDetail' });

/** What is looked after, and the newest known of each. */
export const inventory: ServiceModule = {
  name: 'inventory',
  subscriptions: [
    { class: 'infrastructure', subclass: 'registration' },
    ...CLASSES.map((cls) => ({ class: cls, contentType: 'data' as const })),
  ],
  migrations: [
    {
      owner: 'inventory',
      version: 1,
      statements: (t) => [
        `CREATE TABLE "instances" ("id" ${t.text} PRIMARY KEY, "component" ${t.text} NOT NULL, "kind" ${t.text} NOT NULL, "platform" ${t.text},
          "managementId" ${t.text}, "name" ${t.text}, "registeredAt" ${t.integer}, "updatedAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
        `CREATE TABLE "inventoryDocuments" ("subject" ${t.text} NOT NULL, "subclass" ${t.text} NOT NULL, "part" ${t.integer} NOT NULL,
          "parts" ${t.integer} NOT NULL, "madeAt" ${t.integer} NOT NULL, "receivedAt" ${t.integer} NOT NULL, "messageId" ${t.text} NOT NULL,
          "document" ${t.text} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("subject", "class", "subclass", "part"))`,
      ],
    },
    {
      owner: 'inventory',
      version: 2,
      statements: () => ['CREATE INDEX "instancesByManagementId" ON "instances" ("managementId", "platform")'],
    },
  ],
  async handle(tx, message) {
    return message.header.class === 'infrastructure' ? register(tx, message) : keepDocument(tx, message);
  },
  routes: [
    route({
      method: 'get',
      path: '/inventory',
      tag: 'inventory',
      summary: 'Support instances, with what is known of each',
      query: pageQuery,
      reply: pageOf(instanceSummary),
      handle: ({ queries, query }) => listInstances(queries, query),
    }),
    route({
      method: 'get',
      path: '/inventory/:instance',
      tag: 'inventory',
      summary: 'One support instance with its newest documents',
      params: z.strictObject({ instance: z.string().max(64) }),
      reply: instanceDetail,
      handle: ({ queries, params }) => readInstance(queries, params.instance),
    }),
  ],
};

async function register(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const { kind, id, platform, managementId, name } = payloadOf(registration, message.content());
  if (!id.startsWith(`${message.header.source}.`))
    return { refuse: 'BH-E-SPOOF', detail: `${id} is not below ${message.header.source}` };
  const known = {
    kind,
    platform: platform ?? null,
    managementId: managementId ?? null,
    name: name ?? null,
    updatedAt: message.receivedAt,
  };
  const row = {
    id,
    component: message.header.source,
    registeredAt: message.header.madeAt,
    ...known,
    ...scopeColumnsOf(message),
    instance: id,
    class: null,
  };
  await tx.db
    .insertInto('instances')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ ...known, registeredAt: row.registeredAt }))
    .execute();
  return undefined;
}

async function keepDocument(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const content = message.content();
  if (content.type !== 'data') return undefined;
  const { part = 1, parts = 1 } = payloadOf(partOf, content);
  const key = { subject: subjectOf(message), class: message.header.class, subclass: message.header.subclass };
  const madeAt = toldTime(message.header.madeAt, message);
  if (isOlder(madeAt, await knownAt(tx, key, part), message)) return { note: 'older than what is known' };
  await removeParts(tx, key, part, parts);
  const { id } = message.header;
  const row = { ...key, part, parts, madeAt, receivedAt: message.receivedAt, messageId: id, document: content.text };
  await tx.db
    .insertInto('inventoryDocuments')
    .values({ ...scopeColumnsOf(message), ...row })
    .execute();
  await noteInstance(tx, message);
  return undefined;
}

const partOf = z.looseObject({ part: z.int().optional(), parts: z.int().optional() });

interface DocumentKey {
  readonly subject: string;
  readonly class: string;
  readonly subclass: string;
}

async function knownAt(tx: Transaction, key: DocumentKey, part: number): Promise<number | undefined> {
  const row = await tx.db
    .selectFrom('inventoryDocuments')
    .select('madeAt')
    .where((eb) => eb.and({ ...key, part }))
    .executeTakeFirst();
  return row?.madeAt;
}

/** The part itself, and the parts that a shorter list no longer has. */
async function removeParts(tx: Transaction, key: DocumentKey, part: number, parts: number): Promise<void> {
  await tx.db
    .deleteFrom('inventoryDocuments')
    .where((eb) => eb.and([eb.and({ ...key }), eb.or([eb('part', '=', part), eb('part', '>', parts)])]))
    .execute();
}

/** Data may come before its registration does. */
async function noteInstance(tx: Transaction, message: ArrivedMessage): Promise<void> {
  const id = subjectOf(message);
  const unknown = { platform: message.header.sourceType ?? null, managementId: null, name: null, registeredAt: null };
  const row = {
    id,
    component: message.header.source,
    kind: 'instance',
    updatedAt: message.receivedAt,
    ...unknown,
    ...scopeColumnsOf(message),
    class: null,
  };
  const { updatedAt } = row;
  await tx.db
    .insertInto('instances')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ updatedAt }))
    .execute();
}

const INSTANCE_COLUMNS = [
  'id',
  'component',
  'kind',
  'customer',
  'site',
  'platform',
  'managementId',
  'name',
  'updatedAt',
] as const;

async function listInstances(queries: ScopedQueries, page: z.output<typeof pageQuery>) {
  const [after] = readCursor(page, textKey) ?? [''];
  const rows = await queries
    .from('instances')
    .select(INSTANCE_COLUMNS)
    .where('kind', '=', 'instance')
    .where('id', '>', after)
    .orderBy('id')
    .limit(page.limit + 1)
    .execute();
  const classes = await classesOf(
    queries,
    rows.map(({ id }) => id),
  );
  return toPage(
    rows,
    page,
    ({ id }) => [id],
    ({ id, ...row }) => ({ instance: id, ...row, classes: classes.get(id) ?? [] }),
  );
}

async function classesOf(queries: ScopedQueries, subjects: readonly string[]): Promise<Map<string, string[]>> {
  if (subjects.length === 0) return new Map();
  const rows = await queries
    .from('inventoryDocuments')
    .select(['subject', 'class'])
    .distinct()
    .where('subject', 'in', [...subjects])
    .orderBy('class')
    .execute();
  return new Map(
    [...Map.groupBy(rows, ({ subject }) => subject)].map(([subject, list]) => [subject, list.map((row) => row.class!)]),
  );
}

async function readInstance(queries: ScopedQueries, instance: string) {
  const found = await queries.from('instances').select(INSTANCE_COLUMNS).where('id', '=', instance).executeTakeFirst();
  if (!found) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `instance ${instance}` });
  const documents = await queries
    .from('inventoryDocuments')
    .selectAll()
    .where('subject', '=', instance)
    .orderBy('class')
    .orderBy('part')
    .execute();
  const { id, ...row } = found;
  const [, ...twins] = await twinsOf(queries, id);
  return {
    instance: id,
    ...row,
    twins: twins.map((twin) => twin.id),
    classes: [...new Set(documents.map((document) => document.class!))],
    documents: documents.map((d) => ({
      ...{
        class: d.class!,
        subclass: d.subclass,
        part: d.part,
        parts: d.parts,
        madeAt: d.madeAt,
        receivedAt: d.receivedAt,
        message: d.messageId,
      },
      document: JSON.parse(d.document) as unknown,
    })),
  };
}
