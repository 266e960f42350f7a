import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import { ArtifactChunks, CHUNK_BYTES, SHARED_BLOCKS } from './artifact-chunks.ts';
import { type ByteRange, parseRange } from './byte-range.ts';
import { ANSWER_HEADERS, refuse } from './refusal.ts';
import type { RelayMetrics } from './relay-metrics.ts';
import { SharedBlocks } from './shared-blocks.ts';
import type { ArtifactFile, Peer, RelayHandler } from './types.ts';

/** A reader that takes nothing for this long is cut [T-A7]. */
const DRAIN_MS = 60_000;

/** Of one listener, all its transfers together. */
export class ArtifactsSending {
  readonly blocks = new SharedBlocks(CHUNK_BYTES.most, SHARED_BLOCKS);
  transfers = 0;
}

export interface ArtifactContext {
  readonly handler: RelayHandler;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
  readonly sending: ArtifactsSending;
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
  sending.transfers += 1;
  const chunks = new ArtifactChunks({ file, sha256, transfers: sending.transfers, blocks: sending.blocks });
  try {
    while (position <= range.last && !response.destroyed) {
      context.handler.admit(peer); // [T-A15] revoked in the middle of a transfer
      const chunk = await chunks.at(position, range.last);
      const began = clock.monotonic();
      const isTaken = await written(clock, response, chunk.bytes);
      if (!isTaken) response.destroy(); // before its memory is used for others
      chunk.release();
      if (!isTaken) break;
      position += chunk.bytes.length;
      chunks.took(clock.monotonic() - began);
    }
    if (position > range.last) response.end();
  } finally {
    sending.transfers -= 1;
    if (sending.transfers === 0) sending.blocks.clear();
    if (position <= range.last) response.destroy();
    context.metrics.artifactBytes.inc({}, position - range.first);
    const complete = position === size && position > range.last;
    context.handler.artifactServed?.(peer, sha256, position - range.first, complete);
  }
}

/**
 * False when the reader went away or takes nothing. True only when the socket has taken all of it: then the memory may be used again.
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
