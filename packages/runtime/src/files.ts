import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { ZodType, z } from 'zod';
import { BackhaulError } from './errors.ts';

/**
 * Replaces a file as a whole: temporary file beside it, fsync, rename, fsync of the folder. Makes missing folders.
 * After a crash at any point the old or the new content is there, never a mixture.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    await writeSynced(temporary, data, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(folder);
}

async function writeSynced(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(data);
    await file.chmod(mode); // whatever the umask says
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames and new names in a folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A JSON file, checked. Throws BH-E-NOT-FOUND when it is missing, BH-E-JSON when its text or shape is wrong. */
export async function readJson<S extends ZodType>(path: string, schema: S): Promise<z.output<S>> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    if (cause.code === 'ENOENT') throw new BackhaulError('BH-E-NOT-FOUND', { detail: path, cause });
    throw cause;
  });
  const parsed = schema.safeParse(parseJson(path, text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BackhaulError('BH-E-JSON', { detail: `${path}: ${issue?.path.join('.')}: ${issue?.message}` });
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BackhaulError('BH-E-JSON', { detail: `${path} is not JSON`, cause });
  }
}

/** Bytes an ordinary user may still write on the file system of this path (which need not exist yet). */
export async function freeDiskBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(resolve(path));
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    return freeDiskBytes(parent);
  }
}
