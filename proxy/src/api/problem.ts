import { BackhaulError, type Logger, toBackhaulError } from '@backhaul/runtime';
import type { ErrorRequestHandler, Response } from 'express';

/** Errors of express's own body reader, as ours. */
const BODY_ERRORS: Readonly<Record<string, BackhaulError>> = {
  'entity.too.large': new BackhaulError('BH-E-LIMIT-REQUEST'),
  'entity.parse.failed': new BackhaulError('BH-E-JSON', { detail: 'the body is not JSON' }),
  'encoding.unsupported': new BackhaulError('BH-E-JSON', { detail: 'send the body without Content-Encoding' }),
  'charset.unsupported': new BackhaulError('BH-E-JSON', { detail: 'only UTF-8 is read' }),
  'request.aborted': new BackhaulError('BH-E-JSON', { detail: 'the request ended early' }),
  'request.size.invalid': new BackhaulError('BH-E-JSON', { detail: 'the request ended early' }),
};

/** What a sender is told to wait when nothing better is known. */
const DEFAULT_WAIT_MS = 5_000;

/** RFC 9457 with the code; `Retry-After` (whole seconds) when it may be tried again. */
export function sendProblem(response: Response, error: BackhaulError): void {
  if (response.headersSent) return void response.destroy();
  const waitMs = error.retryAfterMs ?? (error.status === 503 ? DEFAULT_WAIT_MS : undefined);
  if (waitMs !== undefined) response.set('Retry-After', String(Math.max(1, Math.ceil(waitMs / 1000))));
  response.status(error.status).type('application/problem+json').send(JSON.stringify(error.toProblem()));
}

export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (thrown, request, response, _next) => {
    const error =
      BODY_ERRORS[String((thrown as { type?: unknown }).type)] ?? uriFault(thrown) ?? toBackhaulError(thrown);
    if (error.code === 'BH-E-INTERNAL')
      logger.error({ error: thrown, path: request.path }, 'a request of an integrator failed');
    sendProblem(response, error);
  };
}

function uriFault(thrown: unknown): BackhaulError | undefined {
  return thrown instanceof URIError
    ? new BackhaulError('BH-E-QUERY', { detail: 'the path is not readable' })
    : undefined;
}
