import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackhaulError, type Logger, toBackhaulError } from '@backhaul/runtime';
import type { ErrorRequestHandler } from 'express';

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
  const error = uriFault(thrown) ?? toBackhaulError(thrown);
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
