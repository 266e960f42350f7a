import { BackhaulError, toBackhaulError, VERSION } from '@backhaul/runtime';
import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type { Authentication } from '../api/authentication.ts';
import { type Liveness, listComponents } from '../queries/components.ts';
import { readSummary } from '../queries/summary.ts';
import type { ServiceModule } from '../service-modules/service-module.ts';
import { EVERYTHING } from '../store/scope.ts';
import { ScopedQueries } from '../store/scoped-queries.ts';
import { field, requireFormToken, sendPage } from './forms.ts';
import { loginPage } from './login-page.ts';
import { addOperationsPages, type OperationsOptions } from './operations-pages.ts';
import { overviewPage } from './overview-page.ts';
import { requireSameOrigin } from './sessions.ts';
import { STYLE } from './style.ts';
import { figuresOf, trafficPanel } from './traffic-panel.ts';

const FORM_BYTES = 4 * 1024;
const COMPONENTS_SHOWN = 500;
/** It changes only with the version. */
const STYLE_CACHE = 'public, max-age=300';

export interface PortalOptions extends OperationsOptions {
  readonly live: Liveness;
  readonly modules: readonly ServiceModule[];
  readonly authentication: Authentication;
}

/** Pages for people, rendered here over the same queries that the API answers with. */
export function portalRouter(options: PortalOptions): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const parseForm = express.urlencoded({ extended: false, limit: FORM_BYTES, parameterLimit: 8 });
  router.get('/portal/style.css', sendStyle);
  router.get('/', (_request, response) => response.redirect(303, '/portal'));
  router.get('/portal', (request, response) => showOverview(options, request, response));
  router.get('/portal/login', (_request, response) => sendLogin(options, response));
  router.post('/portal/login', parseForm, (request, response) => logIn(options, request, response));
  router.post('/portal/logout', parseForm, (request, response) => logOut(options, request, response));
  addOperationsPages(router, options, parseForm);
  return router;
}

async function showOverview(options: PortalOptions, request: Request, response: Response): Promise<void> {
  const { sessions, database, live, modules, clock } = options;
  const session = sessions.find(request);
  if (!session) return response.redirect(303, '/portal/login');
  const queries = new ScopedQueries(database.reader, session.scope);
  const now = clock.now();
  const [{ items }, summary, ...panels] = await Promise.all([
    listComponents(queries, live, {}, { limit: COMPONENTS_SHOWN }),
    readSummary(queries),
    ...modules.map((module) => module.panel?.(queries, now)),
  ]);
  const components = items.map((item) => ({ ...item, backlog: item.backlog?.messages ?? null }));
  const view = { version: VERSION, csrfToken: session.formToken, now, figures: figuresOf(summary), components };
  sendPage(
    response,
    overviewPage({ ...view, panels: [...panels.filter((panel) => panel !== undefined), trafficPanel(summary)] }),
  );
}

/** The form and a cookie carry the same token: a form from elsewhere cannot know it. */
function sendLogin({ sessions }: PortalOptions, response: Response, problem?: string): void {
  const { token, cookie } = sessions.loginToken();
  response.setHeader('Set-Cookie', cookie);
  sendPage(response, loginPage({ version: VERSION, csrfToken: token, ...(problem === undefined ? {} : { problem }) }));
}

async function logIn(options: PortalOptions, request: Request, response: Response): Promise<void> {
  const { authentication, sessions } = options;
  requireSameOrigin(request);
  sessions.requireLoginToken(request, field(request, 'csrf'));
  const failure = await whyNot(authentication, request);
  if (failure) {
    if (failure.retryAfterMs) response.setHeader('Retry-After', Math.ceil(failure.retryAfterMs / 1_000));
    response.status(failure.status);
    return sendLogin(options, response, failure.code === 'BH-E-AUTH' ? 'That is not the secret.' : failure.sentence);
  }
  response.setHeader('Set-Cookie', sessions.open(EVERYTHING));
  response.redirect(303, '/portal');
}

async function whyNot(authentication: Authentication, request: Request): Promise<BackhaulError | undefined> {
  const secret = field(request, 'secret').trim();
  try {
    return (await authentication.verify(secret, request.socket.remoteAddress ?? ''))
      ? undefined
      : new BackhaulError('BH-E-AUTH');
  } catch (error) {
    return toBackhaulError(error);
  }
}

async function logOut({ sessions }: PortalOptions, request: Request, response: Response): Promise<void> {
  requireSameOrigin(request);
  const session = sessions.find(request);
  if (session) requireFormToken(request, session);
  response.setHeader('Set-Cookie', sessions.close(request));
  response.redirect(303, '/portal/login');
}

const sendStyle: RequestHandler = (_request, response) => {
  response.setHeader('Cache-Control', STYLE_CACHE);
  response.type('text/css').send(STYLE);
};
