import { BackhaulError } from '@backhaul/runtime';
import { Router } from 'express';
import type { AcceptContext } from '../accept/accept-path.ts';
import type { Liveness } from '../directory/liveness.ts';
import type { Registrar } from '../directory/registrar.ts';
import type { CommandBoard } from '../downward/command-board.ts';
import type { NoticeBoard } from '../notices/notice-board.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import { commandRoutes } from './command-routes.ts';
import { messageRoutes } from './message-routes.ts';
import { noticeRoutes } from './notice-routes.ts';
import { registrationRoutes } from './registration-routes.ts';

export interface IntegratorRoutesOptions {
  readonly accept: AcceptContext;
  readonly registrar: Registrar;
  readonly liveness: Liveness;
  readonly board: CommandBoard;
  readonly notices: NoticeBoard;
  readonly metrics: ProxyMetrics;
  readonly status: () => unknown;
  /** aborts when the API stops: long polls end */
  readonly stopping: AbortSignal;
}

/** Everything an integrator may ask, documented in docs/integrator-api.md; past the door only while the store is open. */
const ROUTES = [statusRoute, storeDoor, registrationRoutes, messageRoutes, commandRoutes, noticeRoutes] as const;

export function integratorRoutes(options: IntegratorRoutesOptions): Router {
  const router = Router({ strict: true, caseSensitive: true });
  for (const add of ROUTES) add(router, options);
  return router;
}

/** What is known is being loaded again while the store is reopened: nobody is told then that something is unknown. */
function storeDoor(router: Router, { accept: { store } }: IntegratorRoutesOptions): void {
  router.use((_request, _response, next) => {
    if (store.state !== 'open') throw new BackhaulError('BH-E-SPOOL-STOPPED');
    next();
  });
}

function statusRoute(router: Router, { status }: IntegratorRoutesOptions): void {
  router.get('/v1/status', (_request, response) => void response.json(status()));
}
