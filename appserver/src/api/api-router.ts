import { BackhaulError } from '@backhaul/runtime';
import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type { z } from 'zod';
import { NOTHING, type Scope } from '../store/scope.ts';
import { ScopedQueries } from '../store/scoped-queries.ts';
import type { Authentication } from './authentication.ts';
import type { Route, RouteRequest } from './route.ts';
import type { Services } from './services.ts';

const BODY_BYTES = 1024 * 1024;

interface RouteContext {
  readonly services: Services;
  readonly authentication: Authentication;
}

/** The way of a request, the same for every route: each step gives the handlers it takes. */
export const REQUEST_STEPS = [authenticate, parseBody, answer] as const;

/** Express over the list of routes. Methods that a path does not have are refused as such, everything else is not there. */
export function apiRouter(routes: readonly Route[], services: Services, authentication: Authentication): Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const context = { services, authentication };
  for (const route of routes) {
    router[route.method](route.path, ...REQUEST_STEPS.flatMap((step) => step(route, context)));
  }
  for (const [path, list] of Map.groupBy(routes, (route) => route.path)) router.all(path, refuseMethod(list));
  router.use((request) => {
    throw new BackhaulError('BH-E-NOT-FOUND', { detail: request.path.slice(0, 128) });
  });
  return router;
}

function authenticate(route: Route, { authentication }: RouteContext): RequestHandler {
  return async (request, response, next) => {
    response.locals['scope'] = route.auth === 'public' ? NOTHING : await authentication.scopeOf(request);
    next();
  };
}

const parseJson = express.json({ limit: BODY_BYTES, strict: true, type: ['application/json'] });

function parseBody(route: Route): RequestHandler[] {
  return route.body && !route.upload ? [requireJson, parseJson] : [];
}

const JSON_TYPE = /^application\/json(?: *; *charset="?utf-8"?)?$/i;

/** A body of another type would be taken for none; in another charset, for something else than its bytes say. */
const requireJson: RequestHandler = (request, _response, next) => {
  if (!JSON_TYPE.test(request.headers['content-type'] ?? ''))
    throw new BackhaulError('BH-E-JSON', { detail: 'Content-Type: application/json' });
  next();
};

function refuseMethod(routes: readonly Route[]): RequestHandler {
  const allowed = routes.map(({ method }) => method.toUpperCase()).join(', ');
  return (_request, response) => {
    response.setHeader('Allow', allowed);
    throw new BackhaulError('BH-E-METHOD', { detail: allowed });
  };
}

function answer(route: Route, { services }: RouteContext): RequestHandler {
  return (request, response) => handle(route, services, request, response);
}

/** Parameters checked, then the route's own part within the scope of who asks. */
async function handle(route: Route, services: Services, request: Request, response: Response): Promise<void> {
  const given: RouteRequest<unknown, unknown, unknown> = {
    params: check(route.params, request.params, 'BH-E-QUERY'),
    query: check(route.query, request.query, 'BH-E-QUERY'),
    body: route.body && !route.upload ? check(route.body, request.body, 'BH-E-SCHEMA') : undefined,
    queries: new ScopedQueries(services.database.reader, response.locals['scope'] as Scope | undefined),
    services,
    now: services.clock.now(),
    incoming: request,
  };
  const reply = await route.handle(given as RouteRequest<never, never, never>);
  response.status(route.status).setHeader('Cache-Control', 'no-store').json(reply);
}

/** @throws the code given, with the field and what is wrong with it */
function check(schema: z.ZodType, value: unknown, code: 'BH-E-QUERY' | 'BH-E-SCHEMA'): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new BackhaulError(code, {
    detail: `${issue?.path.join('.').slice(0, 128) || 'request'}: ${issue?.message.slice(0, 200)}`,
  });
}
