import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import type { Services } from './services.ts';

/** What a route is given: checked values, and the asker's own view of the data. */
export interface RouteRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly queries: ScopedQueries;
  readonly services: Services;
  /** wall ms */
  readonly now: number;
  /** for uploads only: the request itself, its body not yet read */
  readonly incoming: IncomingMessage;
}

export type Auth = 'staff' | 'public';

/** One route of the staff API. Router, OpenAPI document and the test of all routes are made from the list of these. */
export interface Route {
  readonly method: 'get' | 'post' | 'put';
  /** below /api/v1, parameters as `:name` */
  readonly path: string;
  readonly auth: Auth;
  readonly tag: string;
  readonly summary: string;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | undefined;
  /** the body is multipart/form-data, read by the handler */
  readonly upload: boolean;
  readonly status: 200 | 201 | 202;
  readonly reply: z.ZodType;
  handle(request: RouteRequest<never, never, never>): Promise<unknown>;
}

interface Spec<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, R extends z.ZodType> {
  readonly method: Route['method'];
  readonly path: string;
  readonly auth?: Auth;
  readonly tag: string;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly upload?: boolean;
  readonly status?: Route['status'];
  readonly reply: R;
  handle(request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>>): Promise<z.input<R>>;
}

type Nothing = z.ZodObject<Record<never, never>, z.core.$strict>;
const NOTHING = z.strictObject({});

/** A route with the types of its schemas checked against its handler. */
export function route<
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
  B extends z.ZodType = z.ZodUndefined,
  R extends z.ZodType = z.ZodType,
>(spec: Spec<P, Q, B, R>): Route {
  const { params = NOTHING, query = NOTHING, body, auth = 'staff', upload = false, status = 200 } = spec;
  return { ...spec, params, query, body, auth, upload, status, handle: spec.handle as unknown as Route['handle'] };
}
