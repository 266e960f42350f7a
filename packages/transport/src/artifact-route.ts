import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import { type ByteRange, parseRange } from './byte-range.ts';
import { ANSWER_HEADERS, refuse } from './refusal.ts';
import type { RelayMetrics } from './relay-metrics.ts';
import type { ArtifactFile, Peer, RelayHandler } from './types.ts';

const CHUNK_BYTES = 1024 * 1024;
/** A reader that takes nothing for this long is cut [T-A7]. */
const DRAIN_MS = 60_000;

export interface ArtifactContext {
  readonly handler: RelayHandler;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
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
  try {
    for (; position <= range.last && !response.destroyed; ) {
      context.handler.admit(peer); // [T-A15] revoked in the middle of a transfer
      const { bytesRead, buffer } = await file.read(chunkFor(position, range), { position });
      if (bytesRead === 0) throw new BackhaulError('BH-E-BULK-GONE', { detail: 'the file became shorter' });
      if (!(await written(context.clock, response, buffer.subarray(0, bytesRead)))) break;
      position += bytesRead;
    }
    if (position > range.last) response.end();
  } finally {
    if (position <= range.last) response.destroy();
    context.metrics.artifactBytes.inc({}, position - range.first);
    const complete = position === size && position > range.last;
    context.handler.artifactServed?.(peer, sha256, position - range.first, complete);
  }
}

function chunkFor(position: number, range: ByteRange): Buffer {
  return Buffer.allocUnsafe(Math.min(CHUNK_BYTES, range.last - position + 1));
}

/** False when the reader went away or takes nothing. */
function written(clock: Clock, response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  if (response.write(bytes)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (taken: boolean): void => {
      timer.cancel();
      response.off('drain', drained).off('close', closed);
      resolve(taken);
    };
    const drained = (): void => end(true);
    const closed = (): void => end(false);
    const timer = clock.after(DRAIN_MS, closed);
    response.on('drain', drained).on('close', closed);
  });
}
