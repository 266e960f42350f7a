import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import { type ByteRange, parseRange } from './byte-range.ts';
import { ANSWER_HEADERS, refuse } from './refusal.ts';
import type { RelayMetrics } from './relay-metrics.ts';
import type { ArtifactFile, Peer, RelayHandler } from './types.ts';

/**
 * What is read and sent at one time: little at first and for a slow reader, so that it is seen to take something; more for a fast
 * one, which costs less a byte. The more transfers there are when one begins, the less it is given at most: the last, divided by them.
 */
const CHUNK_BYTES = { least: 64 * 1024, most: 1024 * 1024, together: 64 * 1024 * 1024 } as const;
/** A reader that takes a chunk within the first is given twice as much; one that takes longer than the second gets little again. */
const TAKEN_MS = { fast: 50, slow: 5_000 } as const;
/** A reader that takes nothing for this long is cut [T-A7]. */
const DRAIN_MS = 60_000;

export interface ArtifactContext {
  readonly handler: RelayHandler;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly sending: { transfers: number };
}

/** `GET /v1/artifacts/<sha256>` with one Range, in chunks as the reader takes them. Throws BH-E-BULK-GONE. */
export async function serveArtifact(
  context: ArtifactContext,
  request: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  sha256: string,
): Promise<void> {
  const artifact = await context.handler.artifact(peer, sha256);
  const file = await open(artifact.path, 'r').catch((cause) => {
    throw new BackhaulError('BH-E-BULK-GONE', { cause });
  });
  try {
    if ((await file.stat()).size !== artifact.size) throw new BackhaulError('BH-E-BULK-GONE');
    const range = wantedRange(request, response, artifact);
    if (range) await sendFile(context, request, response, peer, { artifact, file, ...range });
  } finally {
    await file.close();
  }
}

/** Undefined when the refusal of the range has been written (RFC 9110 §15.5.17 asks for the size in it). */
function wantedRange(request: IncomingMessage, response: ServerResponse, { size, sha256 }: ArtifactFile) {
  const other = request.headers['if-range'] !== undefined && request.headers['if-range'] !== `"${sha256}"`;
  try {
    const range = other ? undefined : parseRange(request.headers.range, size);
    return { range: range ?? { first: 0, last: size - 1 }, partial: range !== undefined };
  } catch (error) {
    response.setHeader('content-range', `bytes */${size}`);
    refuse(request, response, error as BackhaulError);
    return undefined;
  }
}

interface Sending {
  readonly artifact: ArtifactFile;
  readonly file: FileHandle;
  readonly range: ByteRange;
  readonly partial: boolean;
}

async function sendFile(
  context: ArtifactContext,
  request: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  { artifact, file, range, partial }: Sending,
): Promise<void> {
  const { size, sha256 } = artifact;
  response.writeHead(partial ? 206 : 200, {
    ...ANSWER_HEADERS,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-length': range.last - range.first + 1,
    etag: `"${sha256}"`,
    ...(partial ? { 'content-range': `bytes ${range.first}-${range.last}/${size}` } : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  let position = range.first;
  const { clock, sending } = context;
  const most = largestChunk(++sending.transfers);
  let buffer = chunkOf(CHUNK_BYTES.least); // one for all of a size: see below
  try {
    for (; position <= range.last && !response.destroyed; ) {
      context.handler.admit(peer); // [T-A15] revoked in the middle of a transfer
      const length = Math.min(buffer.length, range.last - position + 1);
      const { bytesRead } = await file.read(buffer, 0, length, position);
      if (bytesRead === 0) throw new BackhaulError('BH-E-BULK-GONE', { detail: 'the file became shorter' });
      const began = clock.monotonic();
      if (!(await written(clock, response, buffer.subarray(0, bytesRead)))) break;
      position += bytesRead;
      const tookMs = clock.monotonic() - began;
      if (tookMs < TAKEN_MS.fast && buffer.length < most) buffer = chunkOf(buffer.length * 2);
      else if (tookMs > TAKEN_MS.slow && buffer.length > CHUNK_BYTES.least) buffer = chunkOf(CHUNK_BYTES.least);
    }
    if (position > range.last) response.end();
  } finally {
    sending.transfers -= 1;
    if (position <= range.last) response.destroy();
    context.metrics.artifactBytes.inc({}, position - range.first);
    const complete = position === size && position > range.last;
    context.handler.artifactServed?.(peer, sha256, position - range.first, complete);
  }
}

/** For one of so many transfers: a power of two. */
function largestChunk(transfers: number): number {
  const { least, most, together } = CHUNK_BYTES;
  let bytes: number = least;
  while (bytes < most && bytes * 2 * transfers <= together) bytes *= 2;
  return bytes;
}

const chunkOf = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes);

/**
 * False when the reader went away or takes nothing. True only when the socket has taken all of it: then the buffer may be
 * used again. A fresh one for each chunk costs more than reading and sending it: pages to be mapped and cleared, and
 * collections for memory that the heap does not see.
 */
function written(clock: Clock, response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (taken: boolean): void => {
      timer.cancel();
      response.off('close', closed);
      resolve(taken);
    };
    const closed = (): void => end(false);
    const timer = clock.after(DRAIN_MS, closed);
    response.on('close', closed).write(bytes, (error) => end(!error));
  });
}
