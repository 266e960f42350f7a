import { createHash } from 'node:crypto';
import { payloadOf } from '@backhaul/envelope';
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

/** What a machine's configuration was last, and when it became so. */
export interface ConfigurationTables {
  configurationItems: ScopeColumns & {
    subject: string;
    part: number;
    hash: string;
    madeAt: number;
    firstSeenAt: number;
    changedAt: number;
    seenAt: number;
    changes: number;
    messageId: string;
  };
}

const CLASSES = ['disk-configuration', 'patches', 'os-packages', 'system-configuration'] as const;

/** Measurements that come along with a configuration; a new value of these is no change of it. */
const MEASUREMENTS = new Set(['usedBytes', 'availableBytes', 'uptimeSeconds']);

const item = z
  .strictObject({
    instance: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    configuration: z.array(
      z.strictObject({
        class: z.string(),
        part: z.int(),
        firstSeenAt: z.int(),
        changedAt: z.int(),
        seenAt: z.int(),
        changes: z.int(),
        message: z.string().meta({ description: 'the message with the newest' }),
      }),
    ),
  })
  .meta({ id: 'ConfigurationState' });

/** What changed where and when: subscribes to disk configuration, patches, packages and system configuration (fig. 3). */
export const configurationManagement: ServiceModule = {
  name: 'configuration-management',
  subscriptions: CLASSES.map((cls) => ({ class: cls })),
  migrations: [
    {
      owner: 'configuration-management',
      version: 1,
      statements: (t) => [
        `CREATE TABLE "configurationItems" ("subject" ${t.text} NOT NULL, "part" ${t.integer} NOT NULL, "hash" ${t.text} NOT NULL, "madeAt" ${t.integer} NOT NULL,
          "firstSeenAt" ${t.integer} NOT NULL, "changedAt" ${t.integer} NOT NULL, "seenAt" ${t.integer} NOT NULL, "changes" ${t.integer} NOT NULL,
          "messageId" ${t.text} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("subject", "class", "part"))`,
      ],
    },
  ],
  handle: keep,
  routes: [
    route({
      method: 'get',
      path: '/services/configuration-management',
      tag: 'services',
      summary: 'What is known of the configuration of each support instance, and when it changed',
      query: pageQuery,
      reply: pageOf(item),
      handle: ({ queries, query }) => list(queries, query),
    }),
  ],
};

const withPart = z.looseObject({ part: z.int().optional() });

async function keep(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const content = message.content();
  if (content.type !== 'data') return undefined;
  const { part = 1, ...document } = payloadOf(withPart, content);
  const key = { subject: subjectOf(message), class: message.header.class, part };
  const known = await tx.db
    .selectFrom('configurationItems')
    .selectAll()
    .where((eb) => eb.and(key))
    .executeTakeFirst();
  const madeAt = toldTime(message.header.madeAt, message);
  if (isOlder(madeAt, known?.madeAt, message)) return { note: 'older than what is known' };
  const hash = createHash('sha256')
    .update(JSON.stringify(canonical(document)))
    .digest('hex');
  const changed = known !== undefined && known.hash !== hash;
  const state = {
    hash,
    madeAt,
    seenAt: message.receivedAt,
    messageId: message.header.id,
    changedAt: known && !changed ? known.changedAt : madeAt,
    changes: (known?.changes ?? 0) + (changed ? 1 : 0),
  };
  const row = { ...scopeColumnsOf(message), ...key, ...state, firstSeenAt: known?.firstSeenAt ?? message.receivedAt };
  await tx.db
    .insertInto('configurationItems')
    .values(row)
    .onConflict((conflict) => conflict.columns(['subject', 'class', 'part']).doUpdateSet(state))
    .execute();
  return undefined;
}

/** Fields in one order and lists of rows sorted, so that the same configuration has the same hash. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry) => JSON.stringify(canonical(entry))).sort();
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !MEASUREMENTS.has(name));
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, entry]) => [name, canonical(entry)]);
}

async function list(queries: ScopedQueries, page: z.output<typeof pageQuery>) {
  const [after] = readCursor(page, textKey) ?? [''];
  const subjects = await queries
    .from('configurationItems')
    .select(['subject', 'customer', 'site'])
    .distinct()
    .where('subject', '>', after)
    .orderBy('subject')
    .limit(page.limit + 1)
    .execute();
  const names = subjects.map(({ subject }) => subject);
  const rows =
    names.length === 0
      ? []
      : await queries
          .from('configurationItems')
          .selectAll()
          .where('subject', 'in', names)
          .orderBy('class')
          .orderBy('part')
          .execute();
  const bySubject = Map.groupBy(rows, ({ subject }) => subject);
  return toPage(
    subjects,
    page,
    ({ subject }) => [subject],
    ({ subject, ...row }) => ({ instance: subject, ...row, configuration: (bySubject.get(subject) ?? []).map(asItem) }),
  );
}

function asItem({
  class: cls,
  part,
  firstSeenAt,
  changedAt,
  seenAt,
  changes,
  messageId,
}: ConfigurationTables['configurationItems']) {
  return { class: cls ?? '', part, firstSeenAt, changedAt, seenAt, changes, message: messageId };
}
