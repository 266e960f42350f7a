import { BackhaulError } from '@backhaul/runtime';
import type { Router } from 'express';
import type { Directory } from '../directory/directory.ts';
import { instanceRequest, integratorRequest } from '../directory/directory-records.ts';
import type { IntegratorRoutesOptions } from './integrator-routes.ts';
import { heartbeatRequest, instanceQuery, readBody, readQuery } from './requests.ts';

/** Who reports, about what, and that they are there. */
export function registrationRoutes(router: Router, { registrar, liveness, accept }: IntegratorRoutesOptions): void {
  const { directory } = accept;
  router.post('/v1/integrators', async (request, response) => {
    const { id } = await registrar.registerIntegrator(readBody(integratorRequest, request.body));
    liveness.heardIntegrator(id);
    response.status(201).json({ id });
  });
  router.post('/v1/instances', async (request, response) => {
    const { id, integrator } = await registrar.registerInstance(readBody(instanceRequest, request.body));
    liveness.heardIntegrator(integrator);
    response.status(201).json({ id });
  });
  router.get('/v1/instances', (request, response) => {
    const { integrator, cursor, limit } = readQuery(instanceQuery, request.query);
    const all = directory.instances().filter((one) => integrator === undefined || one.integrator === integrator);
    const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    const items = all.slice(from, from + limit);
    response.json({ items, nextCursor: from + limit < all.length ? items.at(-1)?.id : null });
  });
  router.post('/v1/heartbeats', (request, response) => {
    const { integrator, instances } = readBody(heartbeatRequest, request.body);
    mustKnowIntegrator(directory, integrator);
    for (const { id } of instances) mustKnowInstance(directory, id);
    liveness.heardIntegrator(integrator);
    for (const instance of instances) liveness.heardInstance(instance);
    response.status(204).end();
  });
}

/** Throws BH-E-NOT-FOUND. */
export function mustKnowIntegrator(directory: Directory, id: string): void {
  if (directory.integrator(id) !== undefined) return;
  throw new BackhaulError('BH-E-NOT-FOUND', { detail: `integrator ${id}; register it first` });
}

function mustKnowInstance(directory: Directory, id: string): void {
  if (directory.instance(id) !== undefined) return;
  throw new BackhaulError('BH-E-NOT-FOUND', { detail: `support instance ${id}; register it first` });
}
