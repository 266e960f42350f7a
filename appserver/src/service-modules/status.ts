import { type EventContent, readStatus, type Severity, type StatusNode } from '@backhaul/envelope';
import type { Bus } from '../bus/bus.ts';
import type { NewNotification } from '../notifications/notification.ts';
import type { Notifier } from '../notifications/notifications.ts';
import type { Transaction } from '../store/database.ts';
import { type ColumnTypes, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import {
  type ArrivedMessage,
  type HandleResult,
  type ModuleContext,
  type ServiceModule,
  scopeColumnsOf,
} from './service-module.ts';
import { toldTime } from './told-time.ts';

/** The newest heartbeat and the newest notice of each component. */
export interface StatusTables {
  componentStatus: ScopeColumns & {
    component: string;
    state: string | null;
    version: string | null;
    backlog: number | null;
    oldestMs: number | null;
    nextRetryMs: number | null;
    /** the status tree as JSON */
    tree: string | null;
    heartbeatMadeAt: number | null;
    heartbeatAt: number | null;
    notice: string | null;
    noticeAt: number | null;
  };
}

const EMPTY = {
  ...{ state: null, version: null, backlog: null, oldestMs: null, nextRetryMs: null, tree: null },
  ...{ heartbeatMadeAt: null, heartbeatAt: null, notice: null, noticeAt: null },
};

/** Notices of these are passed on to people: a store found damaged, a sender that was stuck, two with one identity. */
const TOLD: readonly Severity[] = ['critical', 'major'];

/** How the components are, by their own word. Whether one is overdue is seen from when it was last heard. */
export class Status implements ServiceModule {
  readonly name = 'status';
  readonly subscriptions = [
    { class: 'infrastructure', subclass: 'heartbeat' },
    { class: 'infrastructure', subclass: 'notice' },
  ];
  readonly migrations = [
    {
      owner: 'status',
      version: 1,
      statements: (t: ColumnTypes) => [
        `CREATE TABLE "componentStatus" ("component" ${t.text} PRIMARY KEY, "state" ${t.text}, "version" ${t.text}, "backlog" ${t.integer},
          "oldestMs" ${t.integer}, "nextRetryMs" ${t.integer}, "tree" ${t.text}, "heartbeatMadeAt" ${t.integer}, "heartbeatAt" ${t.integer},
          "notice" ${t.text}, "noticeAt" ${t.integer}, ${scopeColumns(t)})`,
      ],
    },
  ];
  #bus: Bus | undefined;
  #notifier: Notifier | undefined;

  async start({ bus, notifier }: Pick<ModuleContext, 'bus' | 'notifier'>): Promise<void> {
    this.#bus = bus;
    this.#notifier = notifier;
  }

  async handle(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
    return message.header.subclass === 'notice' ? this.#notice(tx, message) : heartbeat(tx, message);
  }

  async #notice(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
    const content = message.content();
    if (content.type !== 'event') return undefined;
    const { eventId } = content;
    const occurredAt = toldTime(content.occurredAt, message);
    await keep(tx, message, { notice: eventId, noticeAt: occurredAt }, 'noticeAt', occurredAt);
    if (TOLD.includes(content.severity)) await this.#notifier?.notify(tx, notificationOf(message, content));
    const { source } = message.header;
    tx.afterCommit(() =>
      this.#bus?.publish({
        topic: topicOf(eventId),
        at: message.receivedAt,
        customer: message.scope.customer,
        body: { component: source },
      }),
    );
    return undefined;
  }
}

/** An MLM tells of a clone below it in the words in which this application server tells of one right below itself. */
const topicOf = (eventId: string): string => `component.${eventId === 'clone' ? 'cloned' : eventId}`;

/** `data` stays with the message: its findings may be many. */
function notificationOf({ header, scope }: ArrivedMessage, { eventId, severity, text }: EventContent): NewNotification {
  const { source } = header;
  return {
    ...{ kind: topicOf(eventId), severity, customer: scope.customer, site: scope.site, subject: source },
    text: `${source}: ${text}`,
    data: { component: source, message: header.id },
  };
}

async function heartbeat(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
  const { madeAt: toldAt, root } = readStatus(message.content());
  const madeAt = toldTime(toldAt, message);
  const { source } = message.header;
  if (root.id !== source) return { refuse: 'BH-E-SPOOF', detail: `the status is of ${root.id}, sent by ${source}` };
  await keep(
    tx,
    message,
    { ...figures(root), tree: JSON.stringify(root), heartbeatMadeAt: madeAt, heartbeatAt: message.receivedAt },
    'heartbeatMadeAt',
    madeAt,
  );
  return undefined;
}

function figures({ state, version, backlog, oldestMs, nextRetryMs }: StatusNode) {
  return {
    state,
    version: version ?? null,
    backlog: backlog ?? null,
    oldestMs: oldestMs ?? null,
    nextRetryMs: nextRetryMs ?? null,
  };
}

/** The newest wins by the clock of the component itself, which made both; one that was ahead does not win for ever. */
async function keep(
  tx: Transaction,
  message: ArrivedMessage,
  values: Partial<StatusTables['componentStatus']>,
  timeColumn: 'noticeAt' | 'heartbeatMadeAt',
  at: number,
): Promise<void> {
  const component = message.header.source;
  await tx.db
    .insertInto('componentStatus')
    .values({ ...EMPTY, ...values, ...scopeColumnsOf(message), instance: null, class: null, component })
    .onConflict((conflict) =>
      conflict
        .column('component')
        .doUpdateSet(values)
        .where((eb) =>
          eb.or([
            eb(`componentStatus.${timeColumn}`, 'is', null),
            eb(`componentStatus.${timeColumn}`, '<=', at),
            eb(`componentStatus.${timeColumn}`, '>', message.receivedAt), // as in `isOlder`
          ]),
        ),
    )
    .execute();
}
