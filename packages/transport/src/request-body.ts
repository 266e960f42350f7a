import type { IncomingMessage } from 'node:http';
import { decodeBody } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';

/** Part of the budget that one owner may hold: a window of the largest envelopes, and others are served beside it [T-A7]. */
const OWNER_SHARE = 1 / 2;

/** Bytes of all request bodies held at one time, by whose they are; past it a request is refused with BH-E-BUSY. */
export class ByteBudget {
  readonly #limit: number;
  readonly #byOwner = new Map<string, number>();
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  take(owner: string, bytes: number): void {
    const own = (this.#byOwner.get(owner) ?? 0) + bytes;
    if (this.#held + bytes > this.#limit || own > this.#limit * OWNER_SHARE) {
      throw new BackhaulError('BH-E-BUSY', { detail: 'too many bytes are being received', retryAfterMs: 1000 });
    }
    this.#held += bytes;
    this.#byOwner.set(owner, own);
  }

  give(owner: string, bytes: number): void {
    const left = (this.#byOwner.get(owner) ?? 0) - bytes;
    this.#held -= bytes;
    if (left > 0) this.#byOwner.set(owner, left);
    else this.#byOwner.delete(owner);
  }
}

export interface ReceivedBody {
  /** unpacked */
  readonly bytes: Buffer;
  /** as they came over the line */
  readonly wireBytes: number;
}

/**
 * The whole body, at most `limit` bytes on the line and unpacked.
 * Throws BH-E-LIMIT-ENVELOPE, BH-E-LIMIT-INFLATE, BH-E-MIME-TYPE, BH-E-MIME-TRUNCATED, BH-E-MIME-FORM.
 */
export async function readRequestBody(request: IncomingMessage, limit: number): Promise<ReceivedBody> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limit) throw tooLarge(limit);
  const raw = await collect(request, limit);
  const bytes = await decodeBody(request.headers['content-encoding'], raw, limit);
  return { bytes, wireBytes: raw.length };
}

function collect(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (action: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('close', onCut).off('error', onCut);
      action();
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limit) end(() => reject(tooLarge(limit)));
      else chunks.push(chunk);
    };
    const onEnd = (): void => end(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)));
    const onCut = (): void =>
      end(() => reject(new BackhaulError('BH-E-MIME-TRUNCATED', { detail: 'the connection ended' })));
    request.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut);
  });
}

function tooLarge(limit: number): BackhaulError {
  return new BackhaulError('BH-E-LIMIT-ENVELOPE', { detail: `more than ${limit} bytes` });
}
