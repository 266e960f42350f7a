import { BackhaulError, type Clock, VERSION } from '@backhaul/runtime';
import type { Request, RequestHandler, Response, Router } from 'express';
import type { DeadLetters } from '../dead-letters/dead-letters.ts';
import type { Directory } from '../directory/directory.ts';
import type { Notifications } from '../notifications/notifications.ts';
import { listDeadLetters, readDeadLetter } from '../queries/dead-letters.ts';
import { readLedger } from '../queries/ledger.ts';
import { listNotifications } from '../queries/notifications.ts';
import { listOverdue } from '../queries/overdue.ts';
import type { Database } from '../store/database.ts';
import { ScopedQueries } from '../store/scoped-queries.ts';
import { DEAD_LETTER_STATES, deadLetterPage, deadLettersPage } from './dead-letter-pages.ts';
import { field, requireFormToken, sendPage } from './forms.ts';
import { ledgerPage } from './ledger-page.ts';
import { notificationsPage } from './notifications-page.ts';
import { overduePage } from './overdue-page.ts';
import type { Session, Sessions } from './sessions.ts';

const LEDGER_LINES = 50;
const ROWS = 200;
const REASON_CHARACTERS = 500;
const COMPONENT = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export interface OperationsOptions {
  readonly database: Database;
  readonly directory: Directory;
  readonly ledgerGraceMs: number;
  readonly deadLetters: DeadLetters;
  readonly notifications: Notifications;
  readonly sessions: Sessions;
  readonly clock: Clock;
}

/** What a page is made with: the asker's own view of the data, and who asks. */
interface Visit {
  readonly session: Session;
  readonly queries: ScopedQueries;
  readonly now: number;
  readonly request: Request;
  readonly response: Response;
}

/** The pages for operating, and the two forms on them. */
export function addOperationsPages(router: Router, options: OperationsOptions, parseForm: RequestHandler): void {
  const { sessions, database, clock } = options;
  const visit = (show: (visit: Visit) => Promise<void>) => async (request: Request, response: Response) => {
    const session = sessions.find(request);
    if (!session) return response.redirect(303, '/portal/login');
    const queries = new ScopedQueries(database.reader, session.scope);
    return show({ session, queries, now: clock.now(), request, response });
  };
  router.get('/portal/overdue', visit(showOverdue));
  router.get(
    '/portal/ledger',
    visit((one) => showLedger(options, one)),
  );
  router.get('/portal/dead-letters', visit(showDeadLetters));
  router.get('/portal/dead-letters/:number', visit(showDeadLetter));
  router.get(
    '/portal/notifications',
    visit((one) => showNotifications(options, one)),
  );
  router.post(
    '/portal/dead-letters/:number/replay',
    parseForm,
    visit((one) => replay(options, one)),
  );
  router.post(
    '/portal/dead-letters/:number/discard',
    parseForm,
    visit((one) => discard(options, one)),
  );
}

const frame = ({ session, now }: Visit) => ({ version: VERSION, csrfToken: session.formToken, now });

async function showOverdue(visit: Visit): Promise<void> {
  const { items, nextCursor } = await listOverdue(visit.queries, { limit: ROWS });
  sendPage(visit.response, overduePage({ ...frame(visit), items, more: nextCursor !== null }));
}

async function showLedger({ directory, ledgerGraceMs }: OperationsOptions, visit: Visit): Promise<void> {
  const asked = queryOf(visit.request, 'source');
  const source = asked !== undefined && COMPONENT.test(asked) ? asked : undefined;
  const { items, unexplained, nextCursor } = await readLedger(
    visit.queries,
    source,
    { limit: LEDGER_LINES },
    { tree: directory.tree, graceMs: ledgerGraceMs, now: visit.now },
  );
  const { version, csrfToken } = frame(visit);
  const view = { version, csrfToken, source, lines: items, unexplained, more: nextCursor !== null };
  sendPage(visit.response, ledgerPage(view));
}

async function showDeadLetters(visit: Visit): Promise<void> {
  const asked = queryOf(visit.request, 'state');
  const state = DEAD_LETTER_STATES.find((known) => known === asked) ?? 'waiting';
  const { items, nextCursor } = await listDeadLetters(visit.queries, { state }, { limit: ROWS });
  const view = { ...frame(visit), items, state, more: nextCursor !== null, notice: noticeOf(visit.request) };
  sendPage(visit.response, deadLettersPage(view));
}

async function showDeadLetter(visit: Visit): Promise<void> {
  const { header, content, ...item } = await readDeadLetter(visit.queries, numberOf(visit.request));
  sendPage(visit.response, deadLetterPage({ ...frame(visit), item, header, content }));
}

async function showNotifications({ notifications }: OperationsOptions, visit: Visit): Promise<void> {
  const { items } = await listNotifications(visit.queries, {}, { limit: ROWS });
  const isProvider = visit.session.scope.kind === 'everything';
  const senders = isProvider ? await notifications.report() : [];
  sendPage(visit.response, notificationsPage({ ...frame(visit), items, senders }));
}

async function replay({ deadLetters }: OperationsOptions, visit: Visit): Promise<void> {
  const number = await decidable(visit);
  const { outcome } = await deadLetters.replay(number);
  visit.response.redirect(303, `/portal/dead-letters?done=${outcome}`);
}

async function discard({ deadLetters }: OperationsOptions, visit: Visit): Promise<void> {
  const number = await decidable(visit);
  const reason = field(visit.request, 'reason').trim().slice(0, REASON_CHARACTERS);
  if (reason === '') throw new BackhaulError('BH-E-QUERY', { detail: 'reason' });
  await deadLetters.discard(number, reason);
  visit.response.redirect(303, '/portal/dead-letters?done=discarded');
}

/** From a form of this portal, and within the asker's scope. @throws BH-E-CSRF, BH-E-NOT-FOUND */
async function decidable(visit: Visit): Promise<number> {
  requireFormToken(visit.request, visit.session);
  const number = numberOf(visit.request);
  await readDeadLetter(visit.queries, number);
  return number;
}

/** What came of a form, out of a fixed list: nothing of the address gets onto the page. */
const NOTICES: Readonly<Record<string, string>> = {
  delivered: 'It was given to the service modules again, and delivered.',
  duplicate: 'It was given to the service modules again; the event was known already.',
  discarded: 'It was discarded.',
};
const noticeOf = (request: Request): string | undefined => NOTICES[queryOf(request, 'done') ?? ''];

function queryOf(request: Request, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberOf(request: Request): number {
  const text = String(request.params['number']);
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new BackhaulError('BH-E-NOT-FOUND', { detail: 'dead letter' });
  return Number(text);
}
