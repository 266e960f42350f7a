import { BackhaulError, type ErrorCode, type Logger, toBackhaulError } from '@backhaul/runtime';
import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** One line of a route table: everything else on the listener is 404, every other method on the path 405. */
export interface Route {
  readonly method: 'POST';
  readonly path: string;
}

export function noSuchRoute(routes: readonly Route[]): RequestHandler {
  return (request, _response, next) => {
    const known = routes.some((route) => route.path === request.path);
    next(new BackhaulError(known ? 'BH-E-METHOD' : 'BH-E-NOT-FOUND'));
  };
}

/** Every refusal as RFC 9457 problem details; what should not happen is logged, never shown. */
export function answerProblem(logger: Logger, refused: (code: ErrorCode) => void) {
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const error = fromExpress(thrown);
    refused(error.code);
    const fields = { code: error.code, detail: error.detail, from: request.socket.remoteAddress, path: request.path };
    if (error.code === 'BH-E-INTERNAL') logger.error({ ...fields, error }, 'request failed');
    else logger.warn({ ...fields, audit: true }, 'request refused');
    if (error.retryAfterMs !== undefined) response.set('Retry-After', String(Math.ceil(error.retryAfterMs / 1000)));
    response.status(error.status).type('application/problem+json').send(JSON.stringify(error.toProblem()));
  };
}

/** Errors of express' body readers carry a status and a type. */
function fromExpress(thrown: unknown): BackhaulError {
  const { status, type } = (thrown ?? {}) as { status?: unknown; type?: unknown };
  if (thrown instanceof BackhaulError || typeof status !== 'number' || status >= 500) return toBackhaulError(thrown);
  if (type === 'entity.too.large') return new BackhaulError('BH-E-LIMIT-REQUEST');
  return new BackhaulError('BH-E-JSON', { cause: thrown });
}
