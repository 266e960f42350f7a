import type { Logger } from '@backhaul/runtime';
import { Router } from 'express';
import type { AcceptContext } from '../accept/accept-path.ts';
import type { Liveness } from '../directory/liveness.ts';
import type { Registrar } from '../directory/registrar.ts';
import type { CommandBoard } from '../downward/command-board.ts';
import type { NoticeBoard } from '../notices/notice-board.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import { commandRoutes } from './command-routes.ts';
import { noticeRoutes } from './notice-routes.ts';
import { registrationRoutes } from './registration-routes.ts';
import { whileOpen } from './store-door.ts';

export interface IntegratorRoutesOptions {
  readonly accept: AcceptContext;
  readonly registrar: Registrar;
  readonly liveness: Liveness;
  readonly board: CommandBoard;
  readonly notices: NoticeBoard;
  readonly metrics: ProxyMetrics;
  readonly status: () => unknown;
  readonly logger: Logger;
  /** aborts when the API stops: long polls end */
  readonly stopping: AbortSignal;
}

/** Everything an integrator may ask but to take messages (`submission-door.ts`), documented in docs/integrator-api.md. */
const ROUTES = [statusRoute, storeDoor, registrationRoutes, commandRoutes, noticeRoutes] as const;

export function integratorRoutes(options: IntegratorRoutesOptions): Router {
  const router = Router({ strict: true, caseSensitive: true });
  for (const add of ROUTES) add(router, options);
  return router;
}

/** What follows is answered only while the store is open. */
function storeDoor(router: Router, { accept: { store } }: IntegratorRoutesOptions): void {
  router.use(whileOpen(store));
}

function statusRoute(router: Router, { status }: IntegratorRoutesOptions): void {
  router.get('/v1/status', (_request, response) => void response.json(status()));
}
