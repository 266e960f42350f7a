import { BackhaulError, type Logger, toBackhaulError } from '@backhaul/runtime';
import type { ErrorRequestHandler, Response } from 'express';

/** RFC 9457; never a stack trace. */
export function sendProblem(response: Response, error: BackhaulError): void {
  if (error.retryAfterMs !== undefined)
    response.setHeader('Retry-After', Math.max(1, Math.ceil(error.retryAfterMs / 1_000)));
  if (error.code === 'BH-E-AUTH') response.setHeader('WWW-Authenticate', 'Bearer realm="backhaul"');
  response.status(error.status).type('application/problem+json').send(JSON.stringify(error.toProblem()));
}

/** What a handler threw, as a coded refusal. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    const error = asRefusal(thrown);
    const fields = {
      code: error.code,
      detail: error.detail,
      method: request.method,
      path: request.path,
      address: request.socket.remoteAddress,
    };
    if (error.code === 'BH-E-INTERNAL') logger.error({ ...fields, error: error.cause }, 'a staff request failed');
    else logger.info(fields, 'a staff request was refused');
    if (response.headersSent) return next(thrown);
    if (!request.complete) response.setHeader('Connection', 'close');
    sendProblem(response, error);
  };
}

/** What express and its body parser throw has a status and a type, not a code of ours. */
function asRefusal(thrown: unknown): BackhaulError {
  if (thrown instanceof BackhaulError) return thrown;
  const { status, type } = (thrown ?? {}) as { status?: unknown; type?: unknown };
  if (type === 'entity.too.large') return new BackhaulError('BH-E-LIMIT-REQUEST', { cause: thrown });
  if (status === 415) return new BackhaulError('BH-E-JSON', { detail: 'encoding or charset', cause: thrown });
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new BackhaulError(type === 'entity.parse.failed' ? 'BH-E-JSON' : 'BH-E-QUERY', { cause: thrown });
  return toBackhaulError(thrown);
}
