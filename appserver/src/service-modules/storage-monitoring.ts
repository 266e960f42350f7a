import { type Alarm, diskConfiguration, payloadOf } from '@backhaul/envelope';
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

export interface StorageTables {
  storageFilesystems: ScopeColumns & {
    subject: string;
    mountpoint: string;
    device: string;
    type: string;
    sizeBytes: number;
    usedBytes: number;
    madeAt: number;
    receivedAt: number;
  };
  storageAlarms: ScopeColumns & {
    subject: string;
    alarmId: string;
    state: string;
    severity: string;
    text: string;
    occurredAt: number;
    receivedAt: number;
  };
}

const item = z
  .strictObject({
    instance: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    filesystems: z.array(
      z.strictObject({
        mountpoint: z.string(),
        device: z.string(),
        type: z.string(),
        sizeBytes: z.int(),
        usedBytes: z.int(),
        updatedAt: z.int(),
      }),
    ),
    alarms: z.array(
      z.strictObject({
        alarmId: z.string(),
        state: z.string(),
        severity: z.string(),
        text: z.string(),
        occurredAt: z.int(),
      }),
    ),
  })
  .meta({ id: 'StorageState' });

/** How full which file systems are: subscribes to disk configuration and to storage alarms (fig. 3). */
export const storageMonitoring: ServiceModule = {
  name: 'storage-monitoring',
  subscriptions: [{ class: 'disk-configuration' }, { class: 'storage-alarms' }],
  migrations: [
    {
      owner: 'storage-monitoring',
      version: 1,
      statements: (t) => [
        `CREATE TABLE "storageFilesystems" ("subject" ${t.text} NOT NULL, "mountpoint" ${t.text} NOT NULL, "device" ${t.text} NOT NULL, "type" ${t.text} NOT NULL,
          "sizeBytes" ${t.integer} NOT NULL, "usedBytes" ${t.integer} NOT NULL, "madeAt" ${t.integer} NOT NULL, "receivedAt" ${t.integer} NOT NULL,
          ${scopeColumns(t)}, PRIMARY KEY ("subject", "mountpoint"))`,
        `CREATE TABLE "storageAlarms" ("subject" ${t.text} NOT NULL, "alarmId" ${t.text} NOT NULL, "state" ${t.text} NOT NULL, "severity" ${t.text} NOT NULL,
          "text" ${t.text} NOT NULL, "occurredAt" ${t.integer} NOT NULL, "receivedAt" ${t.integer} NOT NULL, ${scopeColumns(t)},
          PRIMARY KEY ("subject", "alarmId"))`,
      ],
    },
  ],
  async handle(tx, message) {
    const content = message.content();
    if (content.type === 'alarm') return keepAlarm(tx, message, content);
    return content.type === 'data' ? keepFilesystems(tx, message) : undefined;
  },
  routes: [
    route({
      method: 'get',
      path: '/services/storage-monitoring',
      tag: 'services',
      summary: 'File systems and their alarms, by support instance',
      query: pageQuery,
      reply: pageOf(item),
      handle: ({ queries, query }) => list(queries, query),
    }),
  ],
};

/** The newest list replaces the one before as a whole. */
async function keepFilesystems(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const subject = subjectOf(message);
  const madeAt = toldTime(message.header.madeAt, message);
  const known = await tx.db
    .selectFrom('storageFilesystems')
    .select('madeAt')
    .where('subject', '=', subject)
    .executeTakeFirst();
  if (isOlder(madeAt, known?.madeAt, message)) return { note: 'older than what is known' };
  await tx.db.deleteFrom('storageFilesystems').where('subject', '=', subject).execute();
  for (const { mountpoint, device, type, sizeBytes, usedBytes } of uniqueMounts(message)) {
    const row = { subject, mountpoint, device, type, sizeBytes, usedBytes, madeAt, receivedAt: message.receivedAt };
    await tx.db
      .insertInto('storageFilesystems')
      .values({ ...row, ...scopeColumnsOf(message) })
      .execute();
  }
  return undefined;
}

/** What is mounted last over a place is what is seen there. */
function uniqueMounts(message: ArrivedMessage) {
  const { filesystems } = payloadOf(diskConfiguration, message.content());
  return new Map(filesystems.map((filesystem) => [filesystem.mountpoint, filesystem])).values();
}

async function keepAlarm(
  tx: Transaction,
  message: ArrivedMessage,
  { alarmId, state, severity, text, occurredAt: toldAt }: Alarm,
): Promise<HandleResult> {
  const key = { subject: subjectOf(message), alarmId };
  const occurredAt = toldTime(toldAt, message);
  const { receivedAt } = message;
  const values = { state, severity, text, occurredAt, receivedAt };
  await tx.db
    .insertInto('storageAlarms')
    .values({ ...key, ...values, ...scopeColumnsOf(message) })
    .onConflict((conflict) =>
      conflict
        .columns(['subject', 'alarmId'])
        .doUpdateSet(values)
        .where((eb) =>
          eb.or([
            eb('storageAlarms.occurredAt', '<=', occurredAt),
            eb('storageAlarms.occurredAt', '>', receivedAt), // as in `isOlder`
          ]),
        ),
    )
    .execute();
  return undefined;
}

async function list(queries: ScopedQueries, page: z.output<typeof pageQuery>) {
  const [after] = readCursor(page, textKey) ?? [''];
  const rows = await subjectsAfter(queries, after, page.limit + 1);
  const names = rows.map(({ subject }) => subject);
  const filesystems = Map.groupBy(
    names.length
      ? await queries
          .from('storageFilesystems')
          .selectAll()
          .where('subject', 'in', names)
          .orderBy('mountpoint')
          .execute()
      : [],
    (row) => row.subject,
  );
  const alarms = Map.groupBy(
    names.length
      ? await queries.from('storageAlarms').selectAll().where('subject', 'in', names).orderBy('alarmId').execute()
      : [],
    (row) => row.subject,
  );
  return toPage(
    rows,
    page,
    ({ subject }) => [subject],
    ({ subject, customer, site }) => ({
      ...{ instance: subject, customer, site },
      filesystems: (filesystems.get(subject) ?? []).map(
        ({ mountpoint, device, type, sizeBytes, usedBytes, receivedAt }) => ({
          mountpoint,
          device,
          type,
          sizeBytes,
          usedBytes,
          updatedAt: receivedAt,
        }),
      ),
      alarms: (alarms.get(subject) ?? []).map(({ alarmId, state, severity, text, occurredAt }) => ({
        alarmId,
        state,
        severity,
        text,
        occurredAt,
      })),
    }),
  );
}

/** Instances of either table, each once, in order. */
async function subjectsAfter(queries: ScopedQueries, after: string, limit: number) {
  const columns = ['subject', 'customer', 'site'] as const;
  const [withDisks, withAlarms] = await Promise.all([
    queries
      .from('storageFilesystems')
      .select(columns)
      .distinct()
      .where('subject', '>', after)
      .orderBy('subject')
      .limit(limit)
      .execute(),
    queries
      .from('storageAlarms')
      .select(columns)
      .distinct()
      .where('subject', '>', after)
      .orderBy('subject')
      .limit(limit)
      .execute(),
  ]);
  const known = new Map([...withDisks, ...withAlarms].map((row) => [row.subject, row]));
  return [...known.values()].toSorted((a, b) => (a.subject < b.subject ? -1 : 1)).slice(0, limit);
}
