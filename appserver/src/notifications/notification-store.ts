import type { ErrorCode } from '@backhaul/runtime';
import type { Database, Transaction } from '../store/database.ts';
import { type ColumnTypes, type Migration, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { Notification, Severity } from './notification.ts';

export type DeliveryState = 'waiting' | 'sent' | 'dead';

export interface NotificationTables {
  notifications: ScopeColumns & {
    id: string;
    kind: string;
    severity: string;
    subject: string;
    text: string;
    /** JSON */
    data: string;
    at: number;
  };
  /** one for each sender that is to have it */
  notificationDeliveries: ScopeColumns & {
    notification: string;
    sender: string;
    state: DeliveryState;
    attempts: number;
    /** wall ms, of the next attempt */
    nextAt: number;
    /** of the last attempt that failed */
    code: string | null;
    detail: string | null;
    updatedAt: number;
  };
}

export const NOTIFICATION_MIGRATIONS: readonly Migration[] = [
  {
    owner: 'notifications',
    version: 1,
    statements: (t: ColumnTypes) => [
      `CREATE TABLE "notifications" ("id" ${t.text} PRIMARY KEY, "kind" ${t.text} NOT NULL, "severity" ${t.text} NOT NULL, "subject" ${t.text} NOT NULL,
        "text" ${t.text} NOT NULL, "data" ${t.text} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      `CREATE TABLE "notificationDeliveries" ("notification" ${t.text} NOT NULL REFERENCES "notifications" ("id") ON DELETE CASCADE,
        "sender" ${t.text} NOT NULL, "state" ${t.text} NOT NULL, "attempts" ${t.integer} NOT NULL, "nextAt" ${t.integer} NOT NULL,
        "code" ${t.text}, "detail" ${t.text}, "updatedAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("notification", "sender"))`,
      `CREATE INDEX "notificationDeliveriesByState" ON "notificationDeliveries" ("sender", "state", "notification")`,
    ],
  },
  {
    owner: 'notifications',
    version: 2,
    statements: () => [
      `CREATE INDEX "notificationDeliveriesByCustomer" ON "notificationDeliveries" ("sender", "state", "customer", "notification")`,
    ],
  },
];

/** Rows pruned in one transaction. */
const PRUNED = 5_000;
/** Of all that may wait for a sender, a customer has a tenth, or so many: a flood of its news pushes out its own [T-A36]. */
const LEAST_SHARE = 100;
/** Rows kept whatever their age; past it the oldest go, but what still waits. */
const MOST_KEPT = 100_000;

/** The one that has waited longest of those whose time has come, or whose time lies so far ahead that the clock was set back. */
const DUE = `SELECT n.*, d."attempts" FROM "notificationDeliveries" d JOIN "notifications" n ON n."id" = d."notification"
  WHERE d."sender" = ?1 AND d."state" = 'waiting' AND (d."nextAt" <= ?2 OR d."nextAt" > ?2 + ?3) ORDER BY d."notification" LIMIT 1`;
const NEXT = `SELECT MIN("nextAt") AS "at" FROM "notificationDeliveries" WHERE "sender" = ? AND "state" = 'waiting'`;
const COUNTS = `SELECT "sender", "state", COUNT(*) AS "count", MAX("updatedAt") AS "lastAt" FROM "notificationDeliveries" GROUP BY "sender", "state"`;
const GIVE_UP_OLDEST = `UPDATE "notificationDeliveries" SET "state" = 'dead', "code" = 'BH-E-NOTIFY', "detail" = 'too many wait', "updatedAt" = ?1
  WHERE "sender" = ?2 AND "state" = 'waiting' AND "notification" IN (SELECT "notification" FROM "notificationDeliveries"
  WHERE "sender" = ?2 AND "state" = 'waiting' ORDER BY "notification" DESC LIMIT 1000 OFFSET ?3)`;
const GIVE_UP_OF_CUSTOMER = `UPDATE "notificationDeliveries" SET "state" = 'dead', "code" = 'BH-E-NOTIFY', "detail" = 'too many of this customer wait',
  "updatedAt" = ?1 WHERE "sender" = ?2 AND "state" = 'waiting' AND "notification" IN (SELECT "notification" FROM "notificationDeliveries"
  WHERE "sender" = ?2 AND "state" = 'waiting' AND "customer" = ?4 ORDER BY "notification" DESC LIMIT 1000 OFFSET ?3)`;
const GIVE_UP_OLD = `UPDATE "notificationDeliveries" SET "state" = 'dead', "detail" = COALESCE("detail", 'never tried') || '; given up for its age',
  "code" = COALESCE("code", 'BH-E-NOTIFY'), "updatedAt" = ?1
  WHERE "state" = 'waiting' AND "notification" IN (SELECT "id" FROM "notifications" WHERE "at" < ?2)`;
const PRUNE = `DELETE FROM "notifications" WHERE "id" IN (SELECT "id" FROM "notifications" WHERE "at" < ?1 ORDER BY "id" LIMIT ${PRUNED})`;
const PRUNE_SURPLUS = `DELETE FROM "notifications" WHERE "id" IN (SELECT "id" FROM "notifications" ORDER BY "id" DESC LIMIT ${PRUNED} OFFSET ${MOST_KEPT})
  AND NOT EXISTS (SELECT 1 FROM "notificationDeliveries" d WHERE d."notification" = "notifications"."id" AND d."state" = 'waiting')`;

type Row = NotificationTables['notifications'] & { attempts: number };

export interface DueDelivery {
  readonly notification: Notification;
  readonly attempts: number;
}

/** What happened to an attempt. */
export type Settlement =
  | { readonly state: 'sent' }
  | { readonly state: 'waiting'; readonly nextAt: number; readonly code: ErrorCode; readonly detail: string }
  | { readonly state: 'dead'; readonly code: ErrorCode; readonly detail: string };

export interface SenderFigures {
  readonly waiting: number;
  readonly dead: number;
  readonly sent: number;
  readonly lastSentAt: number | null;
}

/**
 * Writes a notification and one delivery for each sender, in the caller's transaction; of those that wait, `maxWaiting` stay,
 * and of one customer its share of them.
 */
export async function addNotification(
  tx: Transaction,
  notification: Notification,
  senders: readonly string[],
  maxWaiting: number,
): Promise<void> {
  const { id, kind, severity, subject, text, at, customer, site } = notification;
  const scope = { customer, site, instance: null, class: null };
  const data = JSON.stringify(notification.data);
  const share = Math.max(LEAST_SHARE, Math.ceil(maxWaiting / 10));
  await tx.db
    .insertInto('notifications')
    .values({ id, kind, severity, subject, text, data, at, ...scope })
    .execute();
  for (const sender of senders) {
    const waiting = { state: 'waiting' as const, attempts: 0, nextAt: at, code: null, detail: null, updatedAt: at };
    await tx.db
      .insertInto('notificationDeliveries')
      .values({ notification: id, sender, ...waiting, ...scope })
      .execute();
    await tx.run(GIVE_UP_OF_CUSTOMER, [[at, sender, share, customer]]);
    await tx.run(GIVE_UP_OLDEST, [[at, sender, maxWaiting]]);
  }
}

/** The next one for a sender. `furthestMs`: no attempt is ever put off for longer. */
export async function dueDelivery(
  database: Database,
  sender: string,
  now: number,
  furthestMs: number,
): Promise<DueDelivery | undefined> {
  const [row] = await database.read<Row>(DUE, [sender, now, furthestMs]);
  return row && { notification: asNotification(row), attempts: row.attempts };
}

/** Wall ms of the next attempt of a sender; undefined when nothing waits. */
export async function nextAttemptAt(database: Database, sender: string): Promise<number | undefined> {
  const [row] = await database.read<{ at: number | null }>(NEXT, [sender]);
  return row?.at ?? undefined;
}

export async function settleDelivery(
  tx: Transaction,
  notification: string,
  sender: string,
  settlement: Settlement,
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('notificationDeliveries')
    .set((eb) => ({ attempts: eb('attempts', '+', 1), updatedAt: now, ...settlement }))
    .where((eb) => eb.and({ notification, sender }))
    .execute();
}

/** What waits for a sender that is no longer configured will never be sent, and says so. */
export async function giveUpForeign(tx: Transaction, known: readonly string[], now: number): Promise<void> {
  let query = tx.db
    .updateTable('notificationDeliveries')
    .set({ state: 'dead', code: 'BH-E-NOTIFY-REFUSED', detail: 'the sender is no longer configured', updatedAt: now })
    .where('state', '=', 'waiting');
  if (known.length > 0) query = query.where('sender', 'not in', [...known]);
  await query.execute();
}

/** Gives up what is too old, forgets what was kept long enough. Returns how many were given up. */
export async function ageNotifications(
  tx: Transaction,
  now: number,
  { maxAgeMs, keepMs }: { maxAgeMs: number; keepMs: number },
): Promise<number> {
  const given = await tx.run(GIVE_UP_OLD, [[now, now - maxAgeMs]]);
  await tx.run(PRUNE, [[now - keepMs]]);
  await tx.run(PRUNE_SURPLUS, [[]]);
  return given;
}

export async function senderFigures(database: Database): Promise<Map<string, SenderFigures>> {
  type Counted = { sender: string; state: DeliveryState; count: number; lastAt: number };
  const rows = await database.read<Counted>(COUNTS, []);
  const of = (sender: string, state: DeliveryState) => rows.find((row) => row.sender === sender && row.state === state);
  return new Map(
    [...new Set(rows.map(({ sender }) => sender))].map((sender) => [
      sender,
      {
        waiting: of(sender, 'waiting')?.count ?? 0,
        dead: of(sender, 'dead')?.count ?? 0,
        sent: of(sender, 'sent')?.count ?? 0,
        lastSentAt: of(sender, 'sent')?.lastAt ?? null,
      },
    ]),
  );
}

function asNotification({ id, kind, severity, subject, text, data, at, customer, site }: Row): Notification {
  return {
    ...{ id, kind, severity: severity as Severity, subject, text, at, customer, site },
    data: JSON.parse(data) as Record<string, unknown>,
  };
}
