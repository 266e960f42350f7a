import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BackhaulError, syncDirectory } from '@backhaul/runtime';
import { type Extract, extract } from 'tar-stream';
import { ArchiveNames, type EntryPlan, objection } from './archive-names.ts';

/** A small archive of small files consists of padding; the ratio is looked at only above this. */
const RATIO_FREE_BYTES = 1024 * 1024;

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

export interface ArchiveLimits {
  readonly maxUnpackedBytes: number;
  readonly maxFiles: number;
  readonly maxRatio: number;
}

export interface UnpackRequest {
  /** open file; read from its start, never closed here */
  readonly file: FileHandle;
  /** bytes and hash that the signed manifest names */
  readonly size: number;
  readonly sha256: string;
  /** folder to make; must not exist */
  readonly into: string;
  readonly limits: ArchiveLimits;
  readonly onPercent?: (percent: number) => void;
}

/**
 * Unpacks a `tar.gz` into a fresh folder, hashing the very bytes that are unpacked: what was swapped after the first hash
 * ends in BH-E-BULK-HASH, whatever was written by then [T-A13]. All or nothing is the caller's: it removes the folder when this
 * throws and renames it when it does not. Throws BH-E-ARCHIVE for what is never unpacked.
 */
export async function unpackArchive(request: UnpackRequest): Promise<void> {
  await mkdir(request.into, { mode: 0o700 });
  const hash = createHash('sha256');
  const entries = extract();
  const written = writeEntries(entries, request);
  const flow = pipeline(
    request.file.createReadStream({ start: 0, autoClose: false }),
    tap(hashing(hash, request)),
    createGunzip(),
    tap(limited(request)),
    entries as unknown as NodeJS.WritableStream,
  );
  await bothOrFirstFault(written, flow);
  if (hash.digest('hex') !== request.sha256)
    throw new BackhaulError('BH-E-BULK-HASH', { detail: 'the bytes changed while they were unpacked' });
  for (const folder of (await written).toReversed()) await syncDirectory(folder);
}

/** A fault of ours while writing tears the flow down; it is the one to tell, not the abort that follows from it. */
async function bothOrFirstFault(written: Promise<unknown>, flow: Promise<void>): Promise<void> {
  const results = await Promise.allSettled([written, flow]);
  const faults = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const coded = faults.find((fault) => fault instanceof BackhaulError);
  if (coded) throw coded;
  if (faults.length > 0) throw translated(faults[0]);
}

/** What zlib and tar-stream complain of is the archive's fault; what the file system says is not. */
function translated(fault: unknown): unknown {
  const { code, message, syscall } = fault as NodeJS.ErrnoException;
  if (syscall !== undefined) return new BackhaulError('BH-E-INSTALL', { detail: `unpacking: ${code}`, cause: fault });
  return new BackhaulError('BH-E-ARCHIVE', { detail: `not a readable tar.gz: ${message}`, cause: fault });
}

/** Every folder written to, outermost first. */
async function writeEntries(entries: Extract, { into, limits }: UnpackRequest): Promise<string[]> {
  const names = new ArchiveNames();
  const folders = new Set([into]);
  let count = 0;
  let bytes = 0;
  for await (const entry of entries) {
    const { name, size } = entry.header;
    if (++count > limits.maxFiles) throw objection(name, `is one of more than ${limits.maxFiles} entries`);
    if ((bytes += size) > limits.maxUnpackedBytes)
      throw objection(name, `makes the content larger than ${limits.maxUnpackedBytes} bytes`);
    const plan = names.plan(entry.header);
    if (plan === undefined) entry.resume();
    else await writeEntry(entry, plan, into, folders);
  }
  return [...folders];
}

async function writeEntry(entry: Entry, plan: EntryPlan, into: string, folders: Set<string>): Promise<void> {
  const path = join(into, ...plan.segments);
  const parents = plan.kind === 'directory' ? plan.segments : plan.segments.slice(0, -1);
  await makeFolders(into, parents, folders);
  if (plan.kind === 'directory') entry.resume();
  else await writeFileEntry(entry, path, plan.mode);
}

async function makeFolders(into: string, segments: readonly string[], folders: Set<string>): Promise<void> {
  let path = into;
  for (const segment of segments) {
    path = join(path, segment);
    if (folders.has(path)) continue;
    await mkdir(path, { mode: 0o755 });
    folders.add(path);
  }
}

async function writeFileEntry(entry: Entry, path: string, mode: number): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  try {
    for await (const chunk of entry) await writeAll(file, chunk as Buffer);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

function tap(look: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      try {
        look(chunk);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function hashing(hash: ReturnType<typeof createHash>, { size, onPercent }: UnpackRequest): (chunk: Buffer) => void {
  let read = 0;
  let told = -1;
  return (chunk) => {
    hash.update(chunk);
    read += chunk.length;
    const percent = Math.min(100, Math.floor((read * 100) / Math.max(1, size)));
    if (percent > told) onPercent?.((told = percent));
  };
}

function limited({ size, limits }: UnpackRequest): (chunk: Buffer) => void {
  const most = Math.max(RATIO_FREE_BYTES, size * limits.maxRatio);
  let bytes = 0;
  return (chunk) => {
    bytes += chunk.length;
    if (bytes > most)
      throw new BackhaulError('BH-E-ARCHIVE', { detail: `unpacks to more than ${limits.maxRatio} times its size` });
  };
}
