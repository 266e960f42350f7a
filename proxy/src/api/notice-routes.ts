import { BackhaulError } from '@backhaul/runtime';
import type { Router } from 'express';
import type { LateNotice } from '../notices/notice-board.ts';
import { goneSignal } from './gone-signal.ts';
import type { IntegratorRoutesOptions } from './integrator-routes.ts';
import { mustKnowIntegrator } from './registration-routes.ts';
import { noticeQuery, readQuery } from './requests.ts';

/** Late rejections: what became of messages after they were accepted. */
export function noticeRoutes(router: Router, { accept, notices, liveness, stopping }: IntegratorRoutesOptions): void {
  router.get('/v1/notices', async (request, response) => {
    const { integrator, after, wait } = readQuery(noticeQuery, request.query);
    mustKnowIntegrator(accept.directory, integrator);
    liveness.heardIntegrator(integrator);
    const until = AbortSignal.any([goneSignal(response), stopping]);
    const found = await notices.after(integrator, after, wait * 1000, until);
    if (stopping.aborted && found.length === 0) throw new BackhaulError('BH-E-DRAINING');
    response.json({ notices: found.map(noticeJson), after: found.at(-1)?.number ?? after });
  });
}

/** `instance` and `eventKey` are the integrator's own names of what was lost. */
function noticeJson({ integrator: _, ...notice }: LateNotice): object {
  return notice;
}
