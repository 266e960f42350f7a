import { payloadOf, type SoftwareInstall, softwareInstall } from '@backhaul/envelope';
import { ERRORS, isErrorCode } from '@backhaul/runtime';
import { pushRoutes } from '../api/push-routes.ts';
import type { Bus } from '../bus/bus.ts';
import { type Html, html } from '../portal/html.ts';
import { ago, pill, section, type Tone, table } from '../portal/parts.ts';
import { type InstallItem, listInstalls } from '../queries/pushes.ts';
import type { Transaction } from '../store/database.ts';
import { type ColumnTypes, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { componentsBelow } from './components-below.ts';
import { type ArrivedMessage, type HandleResult, type ServiceModule, scopeColumnsOf } from './service-module.ts';

export interface InstallTables {
  pushes: ScopeColumns & {
    id: string;
    artifact: string;
    name: string;
    version: string;
    size: number;
    publicKey: string;
    destination: string;
    createdAt: number;
    expiresAt: number;
  };
  pushMembers: ScopeColumns & {
    push: string;
    component: string;
    state: string;
    percent: number | null;
    code: string | null;
    reason: string | null;
    /** place of the event that said so */
    epoch: string;
    sequence: number;
    updatedAt: number;
  };
  /** every step, of members and (`authorised`, `refused`) of the hops above them */
  pushSteps: ScopeColumns & {
    messageId: string;
    push: string;
    component: string;
    state: string;
    percent: number | null;
    code: string | null;
    reason: string | null;
    at: number;
    madeAt: number;
    sequence: number;
  };
}

/** After these nothing more is expected of a member. */
export const FINAL_STATES = ['done', 'refused', 'failed', 'expired', 'revoked'];

/**
 * Software on its way: rows per push and member, a step per event. Events of one component may arrive out of order; each
 * becomes a step, and the one highest in sequence gives the member its state. Every transition goes out on the bus.
 */
export class Installs implements ServiceModule {
  readonly name = 'installs';
  readonly subscriptions = [
    { class: 'software', subclass: 'install' },
    { class: 'software', subclass: 'authorisation' },
  ];
  readonly migrations = [
    {
      owner: 'installs',
      version: 1,
      statements: (t: ColumnTypes) => [
        `CREATE TABLE "pushes" ("id" ${t.text} PRIMARY KEY, "artifact" ${t.text} NOT NULL, "name" ${t.text} NOT NULL, "version" ${t.text} NOT NULL,
          "size" ${t.integer} NOT NULL, "publicKey" ${t.text} NOT NULL, "destination" ${t.text} NOT NULL, "createdAt" ${t.integer} NOT NULL,
          "expiresAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
        `CREATE INDEX "pushesByArtifact" ON "pushes" ("artifact", "expiresAt")`,
        `CREATE TABLE "pushMembers" ("push" ${t.text} NOT NULL REFERENCES "pushes" ("id") ON DELETE CASCADE, "component" ${t.text} NOT NULL,
          "state" ${t.text} NOT NULL, "percent" ${t.real}, "code" ${t.text}, "reason" ${t.text}, "epoch" ${t.text} NOT NULL,
          "sequence" ${t.integer} NOT NULL, "updatedAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("push", "component"))`,
        `CREATE TABLE "pushSteps" ("messageId" ${t.text} PRIMARY KEY, "push" ${t.text} NOT NULL REFERENCES "pushes" ("id") ON DELETE CASCADE,
          "component" ${t.text} NOT NULL, "state" ${t.text} NOT NULL, "percent" ${t.real}, "code" ${t.text}, "reason" ${t.text},
          "at" ${t.integer} NOT NULL, "madeAt" ${t.integer} NOT NULL, "sequence" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
        `CREATE INDEX "pushStepsByPush" ON "pushSteps" ("push", "component")`,
      ],
    },
  ];
  readonly routes = pushRoutes;
  #bus: Bus | undefined;

  async start({ bus }: { bus: Bus }): Promise<void> {
    this.#bus = bus;
  }

  async handle(tx: Transaction, message: ArrivedMessage): Promise<HandleResult> {
    const content = message.content();
    if (content.type === 'bulkDataResponse') {
      const state = content.status === 'granted' ? 'authorised' : 'refused';
      const step = { push: content.request, state, code: content.code, reason: content.text };
      const result = await keepStep(tx, message, step);
      return result ?? (isFinalRefusal(step) ? this.#refuseBelow(tx, message, step) : undefined);
    }
    const step = payloadOf(softwareInstall, content);
    const result = await keepStep(tx, message, step);
    return result ?? this.#advance(tx, message, step);
  }

  /** A member that has not come to an end by the expiry of its push never will. */
  async tick(tx: Transaction, now: number): Promise<void> {
    const over = tx.db.selectFrom('pushes').select('id').where('expiresAt', '<=', now);
    const outcome = { state: 'expired', code: 'BH-E-EXPIRED', updatedAt: now };
    await tx.db
      .updateTable('pushMembers')
      .set(outcome)
      .where('state', 'not in', FINAL_STATES)
      .where('push', 'in', over)
      .execute();
  }

  async moveTimes(tx: Transaction, ms: number, before: number): Promise<void> {
    await tx.run('UPDATE "pushes" SET "expiresAt" = "expiresAt" + ? WHERE "expiresAt" > ?', [[ms, before]]);
  }

  async panel(queries: ScopedQueries, now: number): Promise<Html> {
    const items = await listInstalls(queries, 30);
    return section('installs', 'Installs', installTable(items, now), html`<span class="quiet">newest first</span>`);
  }

  /** An MLM that will not ask again speaks for the members below it that have not come to an end. */
  async #refuseBelow(tx: Transaction, message: ArrivedMessage, { push, code, reason }: Step): Promise<undefined> {
    const below = await componentsBelow(tx, message.header.source);
    const open = await tx.db
      .selectFrom('pushMembers')
      .select('component')
      .where('push', '=', push)
      .where('state', 'not in', FINAL_STATES)
      .execute();
    const state = code === 'BH-E-REVOKED' ? 'revoked' : 'refused';
    const outcome = { state, code: code ?? null, reason: reason ?? null, updatedAt: message.receivedAt };
    for (const { component } of open.filter((member) => below.has(member.component))) {
      await tx.db
        .updateTable('pushMembers')
        .set(outcome)
        .where((eb) => eb.and({ push, component }))
        .execute();
      tx.afterCommit(() =>
        this.#bus?.publish({
          topic: `install.${state}`,
          at: message.receivedAt,
          customer: message.scope.customer,
          body: { push, state, code, reason, component },
        }),
      );
    }
    return undefined;
  }

  async #advance(tx: Transaction, message: ArrivedMessage, step: SoftwareInstall): Promise<HandleResult> {
    const { source, epoch, sequence } = message.header;
    const key = { push: step.push, component: source };
    const member = await tx.db
      .selectFrom('pushMembers')
      .selectAll()
      .where((eb) => eb.and(key))
      .executeTakeFirst();
    if (!member) return { note: `${source} is no member of push ${step.push}` };
    if (member.epoch === epoch && member.sequence > sequence) return undefined;
    const state = step.state === 'percent' ? 'started' : step.state;
    const percent = state === 'done' ? 100 : (step.percent ?? (state === 'started' ? member.percent : null));
    const outcome = {
      state,
      percent,
      code: step.code ?? null,
      reason: step.reason ?? null,
      epoch,
      sequence,
      updatedAt: message.receivedAt,
    };
    await tx.db
      .updateTable('pushMembers')
      .set(outcome)
      .where((eb) => eb.and(key))
      .execute();
    tx.afterCommit(() =>
      this.#bus?.publish({
        topic: `install.${step.state}`,
        at: message.receivedAt,
        customer: message.scope.customer,
        body: { ...step, component: source },
      }),
    );
    return undefined;
  }
}

type Step = {
  push: string;
  state: string;
  percent?: number | undefined;
  code?: string | undefined;
  reason?: string | undefined;
};

/** One that may be repeated is asked again by the MLM until the push is over. */
function isFinalRefusal({ state, code }: Step): boolean {
  return state === 'refused' && code !== undefined && isErrorCode(code) && !ERRORS[code].retryable;
}

async function keepStep(tx: Transaction, message: ArrivedMessage, step: Step): Promise<HandleResult> {
  const push = await tx.db.selectFrom('pushes').select('id').where('id', '=', step.push).executeTakeFirst();
  if (!push) return { note: `push ${step.push} is not known` };
  const { id, source, madeAt, sequence } = message.header;
  const row = {
    messageId: id,
    push: step.push,
    component: source,
    state: step.state,
    percent: step.percent ?? null,
    code: step.code ?? null,
    reason: step.reason ?? null,
  };
  await tx.db
    .insertInto('pushSteps')
    .values({ ...row, at: message.receivedAt, madeAt, sequence, ...scopeColumnsOf(message), instance: null })
    .onConflict((conflict) => conflict.column('messageId').doNothing())
    .execute();
  return undefined;
}

const TONES: Readonly<Record<string, Tone>> = {
  done: 'good',
  refused: 'bad',
  failed: 'bad',
  expired: 'bad',
  revoked: 'quiet',
  pending: 'quiet',
};

function installTable(items: readonly InstallItem[], now: number): Html {
  const columns = [
    { title: 'State', cell: (i: InstallItem) => pill(i.state, TONES[i.state] ?? 'warn') },
    { title: 'Software', cell: (i: InstallItem) => html`<strong class="nowrap">${i.name}</strong> ${i.version}` },
    { title: 'Component', cell: (i: InstallItem) => html`<code>${i.component}</code>` },
    { title: 'Site', cell: (i: InstallItem) => html`<span class=\"nowrap\">${i.site}</span>` },
    {
      title: 'Progress',
      cell: (i: InstallItem) =>
        i.percent === null ? '' : html`<progress max="100" value="${i.percent}">${i.percent} %</progress>`,
    },
    { title: 'Why', cell: (i: InstallItem) => (i.code === null ? '' : html`<code>${i.code}</code> ${i.reason}`) },
    { title: 'Updated', cell: (i: InstallItem) => ago(i.updatedAt, now) },
  ];
  return table('Installs', columns, items, 'Nothing has been pushed yet.');
}
