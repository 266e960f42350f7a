import type { IncomingMessage } from 'node:http';
import { BackhaulError, toBackhaulError } from '@backhaul/runtime';
import { readRequestBody } from '@backhaul/transport';
import type { Stage } from './stage.ts';

/** What some systems write in front of UTF-8. */
const BYTE_ORDER_MARK = '\ufeff';

/**
 * The body of a request as JSON, at most so many bytes of it, as `request.body`; undefined without a body.
 * Empty is `{}`. Refuses with BH-E-LIMIT-REQUEST, BH-E-JSON.
 */
export function readJson(limit: number): Stage {
  return (request, _response, next) => {
    if (!hasBody(request)) return next();
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity')
      throw unreadable('send the body without Content-Encoding');
    if (!isUtf8(request.headers['content-type'])) throw unreadable('only UTF-8 is read');
    readRequestBody(request, limit)
      .then(({ bytes }) => void Object.assign(request, { body: parsed(bytes.toString()) }))
      .then(
        () => next(),
        (thrown) => next(asOurs(thrown)),
      );
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined;
}

function isUtf8(contentType: string | undefined): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1];
  return charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset);
}

function parsed(text: string): unknown {
  if (text === '') return {}; // what is missing is told by name
  try {
    return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  } catch {
    throw unreadable('the body is not JSON');
  }
}

function asOurs(thrown: unknown): BackhaulError {
  const error = toBackhaulError(thrown);
  if (error.code === 'BH-E-LIMIT-ENVELOPE') return new BackhaulError('BH-E-LIMIT-REQUEST');
  return error.code === 'BH-E-MIME-TRUNCATED' ? unreadable('the request ended early') : error;
}

function unreadable(detail: string): BackhaulError {
  return new BackhaulError('BH-E-JSON', { detail });
}
