import type { Alarm } from '@backhaul/envelope';
import { ALARM_STATES, SEVERITIES } from '@backhaul/envelope';
import { z } from 'zod';
import { pageOf, pageQuery, readCursor, toPage } from '../api/paging.ts';
import { route } from '../api/route.ts';
import type { Bus } from '../bus/bus.ts';
import type { NewNotification } from '../notifications/notification.ts';
import type { Notifier } from '../notifications/notifications.ts';
import { type Html, html } from '../portal/html.ts';
import { ago, pill, section, type Tone, table } from '../portal/parts.ts';
import type { Transaction } from '../store/database.ts';
import { type ColumnTypes, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import {
  type ArrivedMessage,
  type HandleResult,
  type ModuleContext,
  type ServiceModule,
  scopeColumnsOf,
  subjectOf,
} from './service-module.ts';
import { isOlder, toldTime } from './told-time.ts';

/** One row per condition. `unavailable` is a state of its own: the source cannot tell, which is not the same as all is well. */
export interface AlarmTables {
  alarms: ScopeColumns & {
    subject: string;
    alarmId: string;
    subclass: string;
    state: string;
    severity: string;
    /** 0 critical … 4 info, to sort by */
    rank: number;
    text: string;
    location: string | null;
    source: string;
    occurredAt: number;
    openedAt: number | null;
    updatedAt: number;
    messageId: string;
    times: number;
  };
}

const DAY_MS = 86_400_000;
const CLEARED_KEPT_MS = 90 * DAY_MS;

const alarmQuery = z.strictObject({
  ...pageQuery.shape,
  state: z
    .enum(['active', ...ALARM_STATES])
    .optional()
    .meta({ description: 'one state; `active`: open, acknowledged or unavailable' }),
});

const alarmItem = z
  .strictObject({
    alarmId: z.string(),
    instance: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    source: z.string(),
    class: z.string(),
    subclass: z.string(),
    state: z.enum(ALARM_STATES),
    severity: z.enum(SEVERITIES),
    text: z.string(),
    location: z.string().nullable(),
    occurredAt: z.int(),
    openedAt: z.int().nullable(),
    updatedAt: z.int(),
    times: z.int().meta({ description: 'how often it has opened' }),
    message: z.string(),
  })
  .meta({ id: 'Alarm' });
export type AlarmItem = z.output<typeof alarmItem>;

/** Conditions that open and clear; the newest word on each counts, by the time it happened; see `toldTime`. */
export class Alarms implements ServiceModule {
  readonly name = 'alarms';
  readonly subscriptions = [{ class: '*', contentType: 'alarm' as const }];
  readonly migrations = [
    {
      owner: 'alarms',
      version: 1,
      statements: (t: ColumnTypes) => [
        `CREATE TABLE "alarms" ("subject" ${t.text} NOT NULL, "alarmId" ${t.text} NOT NULL, "subclass" ${t.text} NOT NULL, "state" ${t.text} NOT NULL,
          "severity" ${t.text} NOT NULL, "rank" ${t.integer} NOT NULL, "text" ${t.text} NOT NULL, "location" ${t.text}, "source" ${t.text} NOT NULL,
          "occurredAt" ${t.integer} NOT NULL, "openedAt" ${t.integer}, "updatedAt" ${t.integer} NOT NULL, "messageId" ${t.text} NOT NULL,
          "times" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("subject", "alarmId"))`,
        `CREATE INDEX "alarmsByState" ON "alarms" ("state", "rank", "updatedAt")`,
      ],
    },
  ];
  readonly routes = [
    route({
      method: 'get',
      path: '/alarms',
      tag: 'alarms',
      summary: 'Alarms, the worst and newest first',
      query: alarmQuery,
      reply: pageOf(alarmItem),
      handle: ({ queries, query }) => listAlarms(queries, query),
    }),
  ];
  #bus: Bus | undefined;
  #notifier: Notifier | undefined;

  async start({ bus, notifier }: Pick<ModuleContext, 'bus' | 'notifier'>): Promise<void> {
    this.#bus = bus;
    this.#notifier = notifier;
  }

  async handle(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
    const alarm = message.content();
    if (alarm.type !== 'alarm') return undefined;
    const own = { subject: subjectOf(message), alarmId: alarm.alarmId };
    if (alarm.instance !== own.subject)
      return { refuse: 'BH-E-SPOOF', detail: `the alarm is of ${alarm.instance}, the header says ${own.subject}` };
    const known = (await find(tx, own)) ?? (await findOfSameMachine(tx, own));
    const key = { subject: known?.subject ?? own.subject, alarmId: alarm.alarmId };
    const occurredAt = toldTime(alarm.occurredAt, message);
    if (isOlder(occurredAt, known?.occurredAt, message)) return { note: 'older than what is known' };
    const reopened = alarm.state === 'open' && known?.state !== 'open' && known?.state !== 'acknowledged';
    const row = {
      ...rowOf(message, alarm),
      instance: key.subject,
      openedAt: reopened ? occurredAt : (known?.openedAt ?? null),
      times: (known?.times ?? 0) + (reopened ? 1 : 0),
    };
    await tx.db
      .insertInto('alarms')
      .values({ ...key, ...row })
      .onConflict((conflict) => conflict.columns(['subject', 'alarmId']).doUpdateSet(row))
      .execute();
    if (known?.state === alarm.state) return undefined;
    tx.afterCommit(() => this.#publish(message, alarm));
    if (alarm.severity === 'critical') await this.#notifier?.notify(tx, notificationOf(message, alarm));
    return undefined;
  }

  async tick(tx: Transaction, now: number): Promise<void> {
    await tx.db
      .deleteFrom('alarms')
      .where('state', '=', 'clear')
      .where('updatedAt', '<', now - CLEARED_KEPT_MS)
      .execute();
  }

  async panel(queries: ScopedQueries, now: number): Promise<Html> {
    const { items } = await listAlarms(queries, { limit: 50, state: 'active' });
    return section('alarms', 'Open alarms', alarmTable(items, now), html`<span class="quiet">worst first</span>`);
  }

  #publish({ scope, header, receivedAt }: ArrivedMessage, { alarmId, state, severity, instance, text }: Alarm): void {
    const body = { alarmId, state, severity, instance, text, message: header.id };
    this.#bus?.publish({ topic: `alarm.${state}`, at: receivedAt, customer: scope.customer, body });
  }
}

/** Only the critical ones, as they change their state; in the transaction that stores them. */
function notificationOf({ scope, header }: ArrivedMessage, alarm: Alarm): NewNotification {
  const { alarmId, state, severity, instance, text } = alarm;
  return {
    ...{ kind: `alarm.${state}`, severity, customer: scope.customer, site: scope.site, subject: instance },
    text: `${alarmId} of ${instance} is ${state}: ${text}`,
    data: { alarmId, state, instance, class: header.class, subclass: header.subclass, message: header.id },
  };
}

const KNOWN = ['subject', 'state', 'occurredAt', 'openedAt', 'times'] as const;
type Key = { readonly subject: string; readonly alarmId: string };

function find(tx: Transaction, key: Key) {
  return tx.db
    .selectFrom('alarms')
    .select(KNOWN)
    .where((eb) => eb.and({ ...key }))
    .executeTakeFirst();
}

/**
 * A machine that is looked after through two proxies has an ID at each of them, and each change of an alarm comes through
 * whichever was faster: it is one condition, kept under the ID that told it first.
 */
function findOfSameMachine(tx: Transaction, { subject, alarmId }: Key) {
  return tx.db
    .selectFrom('instances as own')
    .innerJoin('instances as same', (join) =>
      join
        .onRef('same.managementId', '=', 'own.managementId')
        .onRef('same.platform', '=', 'own.platform')
        .onRef('same.customer', '=', 'own.customer')
        .onRef('same.site', '=', 'own.site'),
    )
    .innerJoin('alarms', 'alarms.subject', 'same.id')
    .select(KNOWN.map((column) => `alarms.${column}` as const))
    .where('own.id', '=', subject)
    .where('alarms.alarmId', '=', alarmId)
    .orderBy('alarms.updatedAt', 'desc')
    .executeTakeFirst();
}

function rowOf(message: ArrivedMessage, alarm: Alarm) {
  const { header, receivedAt } = message;
  return {
    ...{
      subclass: header.subclass,
      state: alarm.state,
      severity: alarm.severity,
      rank: SEVERITIES.indexOf(alarm.severity),
      text: alarm.text,
    },
    ...{
      location: alarm.location ?? null,
      source: header.source,
      occurredAt: toldTime(alarm.occurredAt, message),
      updatedAt: receivedAt,
      messageId: header.id,
    },
    ...scopeColumnsOf(message),
  };
}

const ACTIVE = ['open', 'acknowledged', 'unavailable'];
const alarmKey = z.tuple([z.int(), z.int(), z.string(), z.string()]);

/** Worst first, then newest. */
export async function listAlarms(queries: ScopedQueries, page: z.output<typeof alarmQuery>) {
  const after = readCursor(page, alarmKey);
  let query = queries.from('alarms').selectAll();
  if (page.state) query = query.where('state', 'in', page.state === 'active' ? ACTIVE : [page.state]);
  if (after) {
    const [rank, updatedAt, subject, alarmId] = after;
    query = query.where((eb) =>
      eb.or([
        eb('rank', '>', rank),
        eb.and([eb('rank', '=', rank), eb('updatedAt', '<', updatedAt)]),
        eb.and([
          eb('rank', '=', rank),
          eb('updatedAt', '=', updatedAt),
          eb(eb.refTuple('subject', 'alarmId'), '>', eb.tuple(subject, alarmId)),
        ]),
      ]),
    );
  }
  const rows = await query
    .orderBy('rank')
    .orderBy('updatedAt', 'desc')
    .orderBy('subject')
    .orderBy('alarmId')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page, (row) => [row.rank, row.updatedAt, row.subject, row.alarmId], asItem);
}

function asItem({ subject, messageId, rank: _, instance: __, ...row }: AlarmTables['alarms']): AlarmItem {
  const { class: cls, state, severity } = row;
  return {
    ...row,
    class: cls ?? '',
    instance: subject,
    message: messageId,
    state: state as AlarmItem['state'],
    severity: severity as AlarmItem['severity'],
  };
}

const SEVERITY_TONES: Readonly<Record<string, Tone>> = {
  critical: 'bad',
  major: 'bad',
  minor: 'warn',
  warning: 'warn',
  info: 'quiet',
};

function alarmTable(items: readonly AlarmItem[], now: number): Html {
  const columns = [
    { title: 'Severity', cell: (a: AlarmItem) => pill(a.severity, SEVERITY_TONES[a.severity] ?? 'quiet') },
    { title: 'State', cell: (a: AlarmItem) => pill(a.state, a.state === 'open' ? 'bad' : 'quiet') },
    { title: 'Alarm', cell: (a: AlarmItem) => html`<strong>${a.alarmId}</strong><br>${a.text}` },
    { title: 'Instance', cell: (a: AlarmItem) => html`<code>${a.instance}</code>` },
    { title: 'Site', cell: (a: AlarmItem) => html`<span class=\"nowrap\">${a.site}</span>` },
    { title: 'Since', cell: (a: AlarmItem) => ago(a.openedAt ?? a.occurredAt, now) },
  ];
  return table('Open alarms', columns, items, 'No open alarms.');
}
