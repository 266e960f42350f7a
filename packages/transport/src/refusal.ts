import type { IncomingMessage, ServerResponse } from 'node:http';
import { WIRE_VERSION } from '@backhaul/envelope';
import type { BackhaulError } from '@backhaul/runtime';
import { ACCEPTED_ENCODINGS } from './compression.ts';
import { WIRE_HEADERS } from './wire-headers.ts';

/** Unread bytes of a refused request that are still read, so that the answer reaches a peer that is sending. */
const DRAIN_BYTES = 1024 * 1024;

/** Headers that every answer of a relay listener carries. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  [WIRE_HEADERS.version]: WIRE_VERSION,
  [WIRE_HEADERS.accepts]: ACCEPTED_ENCODINGS,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** A whole-request refusal as it goes over the line: problem+json with the code, never a stack trace. */
export function refusalAnswer(error: BackhaulError) {
  const { status, retryAfterMs } = error;
  const seconds = retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000));
  const headers: Record<string, string> = {
    ...ANSWER_HEADERS,
    'content-type': 'application/problem+json',
    ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
  };
  return { status, headers, body: Buffer.from(JSON.stringify(error.toProblem())) };
}

/** The connection ends when the body was not read. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: BackhaulError): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const unread = !request.complete || error.code === 'BH-E-DRAINING';
  const { status, headers, body } = refusalAnswer(error);
  response.writeHead(status, {
    ...headers,
    'content-length': body.length,
    ...(unread ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
  if (unread) discard(request);
}

function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on('error', () => {});
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAIN_BYTES) request.destroy();
  });
  request.resume();
}
