import { BackhaulError, type Clock, collectYoung, type Logger, type Random, TokenBucket } from '@backhaul/runtime';
import { ArtifactPieces } from './artifact-pieces.ts';
import { fullJitter } from './backoff.ts';
import type { ByteRange } from './byte-range.ts';
import { unreachable } from './parent-answer.ts';
import type { ArtifactAnswer, ArtifactSpan } from './parent-connection.ts';
import { PartFile } from './part-file.ts';

export interface FetchOptions {
  /** bytes that are here so far, of all */
  readonly onProgress?: (bytes: number, size: number) => void;
  readonly signal?: AbortSignal;
  readonly maxBytesPerSecond?: number;
  /** for the whole transfer, ms */
  readonly totalMs?: number;
}

export interface FetchContext {
  /** Asks the parent used now. */
  readonly request: (sha256: string, span: ArtifactSpan, signal: AbortSignal) => Promise<ArtifactAnswer>;
  readonly isThin: () => boolean;
  /** Waits for a turn on a thin line; the function it resolves with ends it. */
  readonly turn: (signal: AbortSignal) => Promise<() => void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onBytes: (bytes: number) => void;
}

/** Attempts in a row that bring nothing new; then the caller decides when to ask again. */
export const FRUITLESS_ATTEMPTS = 8;
/** Received blocks are freed after so many bytes; without that 100 MiB and more of them wait for the collector. */
const FREE_BYTES = 20 * 1024 ** 2;
const TOTAL_MS = 24 * 60 * 60 * 1000;

/** Refusals that asking again does not change. */
const FINAL: ReadonlySet<string> = new Set([
  'BH-E-BULK-GONE',
  'BH-E-BULK-HASH',
  'BH-E-BULK-SPACE',
  'BH-E-ID-REVOKED',
  'BH-E-ID-UNKNOWN',
]);

interface Transfer {
  readonly sha256: string;
  readonly size: number;
  readonly part: PartFile;
  readonly options: FetchOptions;
  readonly signal: AbortSignal;
  readonly bucket: TokenBucket | undefined;
  readonly pieces: ArtifactPieces;
}

/**
 * Fetches an artifact to `toPath`: resumes what an earlier attempt left, verifies length and SHA-256 of all bytes, syncs,
 * and only then gives it its name. Throws BH-E-BULK-GONE, BH-E-BULK-HASH (the bytes were discarded), BH-E-BULK-SPACE,
 * BH-E-PARENT-UNREACHABLE (what is here is kept for the next call).
 */
export async function fetchArtifact(
  context: FetchContext,
  sha256: string,
  size: number,
  toPath: string,
  options: FetchOptions = {},
): Promise<void> {
  const deadline = new AbortController();
  const timer = context.clock.after(options.totalMs ?? TOTAL_MS, () => deadline.abort());
  const signal = options.signal ? AbortSignal.any([options.signal, deadline.signal]) : deadline.signal;
  const rate = options.maxBytesPerSecond;
  const bucket = rate === undefined ? undefined : new TokenBucket(rate, Math.max(rate / 4, 64 * 1024));
  const part = await PartFile.open(toPath);
  try {
    await fetchVerified(context, { sha256, size, part, options, signal, bucket, pieces: new ArtifactPieces() });
    await part.publish();
  } finally {
    timer.cancel();
    await part.close();
  }
}

/** Bytes that an earlier run left may be damaged: when all are there and wrong, once more from the beginning. */
async function fetchVerified(context: FetchContext, transfer: Transfer): Promise<void> {
  const { part, sha256, size } = transfer;
  const resumed = part.length > 0;
  if (part.length > size) await part.restart();
  await fetchAll(context, transfer);
  if (part.matches(sha256)) return;
  if (resumed) {
    await part.restart();
    await fetchAll(context, transfer);
    if (part.matches(sha256)) return;
  }
  await part.discard();
  throw new BackhaulError('BH-E-BULK-HASH', { detail: sha256 });
}

/** Until all bytes are here; what is here stays here between attempts. */
async function fetchAll(context: FetchContext, transfer: Transfer): Promise<void> {
  const { part, size, sha256, signal } = transfer;
  for (let fruitless = 0; part.length < size; ) {
    const before = part.length;
    try {
      await nextPiece(context, transfer);
      fruitless = 0;
    } catch (thrown) {
      const error = unreachable(thrown);
      fruitless = part.length > before ? 1 : fruitless + 1;
      if (error.code === 'BH-E-BULK-HASH') await part.discard();
      if (signal.aborted || FINAL.has(error.code) || fruitless >= FRUITLESS_ATTEMPTS) throw error;
      const pauseMs = Math.max(error.retryAfterMs ?? 0, fullJitter(fruitless, context.random));
      const fields = { sha256, bytes: part.length, size, code: error.code, detail: error.detail, pauseMs };
      context.logger.info(fields, 'a transfer goes on after a pause');
      await context.clock.sleep(pauseMs, signal);
      if (signal.aborted) throw error;
    }
  }
}

/** All that is missing; on a thin line a piece of it, when it has its turn. What has a rate of its own leaves room as it is. */
async function nextPiece(context: FetchContext, transfer: Transfer): Promise<void> {
  const { part, size, pieces, bucket, signal } = transfer;
  const bytes = pieces.next(bucket === undefined && context.isThin());
  if (bytes === undefined) return download(context, transfer, size);
  const turnEnds = await context.turn(signal);
  const [from, began] = [part.length, context.clock.monotonic()];
  try {
    await download(context, transfer, Math.min(size, from + bytes));
  } finally {
    turnEnds();
  }
  pieces.came(part.length - from, context.clock.monotonic() - began);
}

/** One request; ends when all bytes before `to` are here, or throws. */
async function download(
  context: FetchContext,
  { sha256, size, part, options, signal, bucket }: Transfer,
  to: number,
): Promise<void> {
  const span = { from: part.length, to: to < size ? to : undefined };
  const { statusCode, headers, body } = await context.request(sha256, span, signal);
  const end = statusCode === 200 ? size : to; // 200: the range was not heeded, all of it comes
  try {
    if (statusCode === 200 && part.length > 0) await part.restart();
    checkOffer(statusCode, headers, { first: part.length, last: end - 1 }, size);
    let toFree = part.length + FREE_BYTES;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (part.length + chunk.length > end)
        throw new BackhaulError('BH-E-BULK-HASH', { detail: `more than ${end} bytes` });
      await part.append(chunk);
      context.onBytes(chunk.length);
      options.onProgress?.(part.length, size);
      if (part.length >= toFree) {
        collectYoung();
        toFree = part.length + FREE_BYTES;
      }
      const pauseMs = bucket?.take(chunk.length, context.clock.monotonic()) ?? 0;
      if (pauseMs > 0) await context.clock.sleep(pauseMs, signal);
    }
  } finally {
    body.destroy();
    await part.flush();
  }
  if (part.length < end) {
    throw new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: `ended at ${part.length} of ${end} bytes` });
  }
}

/** The parent serves the artifact that was announced, from where we asked. */
function checkOffer(status: number, headers: ArtifactAnswer['headers'], range: ByteRange, size: number): void {
  const offered = status === 206 ? headers['content-range'] : headers['content-length'];
  const expected = status === 206 ? `bytes ${range.first}-${range.last}/${size}` : String(size);
  if (offered !== expected)
    throw new BackhaulError('BH-E-BULK-HASH', { detail: `the parent offers ${String(offered)}` });
}
