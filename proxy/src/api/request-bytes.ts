import { BackhaulError } from '@backhaul/runtime';
import type { Stage } from './stage.ts';

/** Bodies that may be in memory at one time, in requests of the greatest size. */
const LARGE_REQUESTS = 4;
const RETRY_MS = 1_000;

/**
 * Bounds the memory that request bodies take together. A body of unknown length counts as the largest allowed. Past the bound a
 * request is refused before it is read: BH-E-BUSY.
 */
export function boundRequestBytes(maxRequestBytes: number): Stage {
  let left = maxRequestBytes * LARGE_REQUESTS;
  return (request, response, next) => {
    const bytes = bodyBytes(request.headers, maxRequestBytes);
    if (bytes > maxRequestBytes)
      throw new BackhaulError('BH-E-LIMIT-REQUEST', { detail: `${bytes} bytes, ${maxRequestBytes} are taken` });
    if (bytes > left) throw new BackhaulError('BH-E-BUSY', { retryAfterMs: RETRY_MS });
    left -= bytes;
    response.once('close', () => {
      left += bytes;
    });
    next();
  };
}

function bodyBytes(headers: NodeJS.Dict<string | string[]>, maxRequestBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return maxRequestBytes;
  return Number(headers['content-length'] ?? 0);
}
