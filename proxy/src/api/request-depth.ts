import { BackhaulError } from '@backhaul/runtime';
import type { Stage } from './stage.ts';

/** Far beyond what a message may have, far below what the schemas that call themselves can take. */
const MAX_DEPTH = 256;

/** Refuses JSON that is nested without end, before anything walks it by recursion [T-A2]: BH-E-LIMIT-DEPTH. */
export const boundDepth: Stage = (request, _response, next) => {
  let level: unknown[] = [(request as { body?: unknown }).body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new BackhaulError('BH-E-LIMIT-DEPTH', { detail: 'JSON' });
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  next();
};
