import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackhaulError, type Logger, toBackhaulError } from '@backhaul/runtime';
import type { ErrorRequestHandler } from 'express';

/** Errors of Express's own body reader, as ours. */
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
export function sendProblem(response: ServerResponse, error: BackhaulError): void {
  if (response.headersSent) return void response.destroy();
  const waitMs = error.retryAfterMs ?? (error.status === 503 ? DEFAULT_WAIT_MS : undefined);
  const text = JSON.stringify(error.toProblem());
  response
    .writeHead(error.status, {
      ...(waitMs === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(waitMs / 1000))) }),
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    })
    .end(text);
}

/** What was thrown on the way of a request, as the answer to it. */
export function answerProblem(
  logger: Logger,
  thrown: unknown,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const error = BODY_ERRORS[String((thrown as { type?: unknown }).type)] ?? uriFault(thrown) ?? toBackhaulError(thrown);
  if (error.code === 'BH-E-INTERNAL')
    logger.error({ error: thrown, path: request.url?.split('?', 1)[0] }, 'a request of an integrator failed');
  sendProblem(response, error);
}

export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (thrown, request, response, _next) => answerProblem(logger, thrown, request, response);
}

function uriFault(thrown: unknown): BackhaulError | undefined {
  return thrown instanceof URIError
    ? new BackhaulError('BH-E-QUERY', { detail: 'the path is not readable' })
    : undefined;
}
