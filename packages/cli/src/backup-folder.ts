import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, readlink, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  BackhaulError,
  type Clock,
  isoTime,
  RESTORE_MARK,
  readJson,
  syncDirectory,
  VERSION,
  writeFileAtomic,
} from '@backhaul/runtime';
import { z } from 'zod';
import { runningPid } from './running-pid.ts';

const file = z.strictObject({ path: z.string(), mode: z.int(), size: z.int(), sha256: z.string() });
const link = z.strictObject({ path: z.string(), target: z.string() });
const folder = z.strictObject({ path: z.string(), mode: z.int() });
/**
 * A backup is a folder: `files/` with a copy of a data folder, and `manifest.json`, written last, with the hash of every
 * file. Without a manifest it is no backup.
 *
 * What may be running meanwhile: the certificate authority (its files are replaced as a whole) and the application
 * server's SQL store (copied by SQLite itself, in one transaction). A LevelDB store may not: its process must be stopped.
 */
const manifestShape = z.strictObject({
  format: z.literal(1),
  version: z.string(),
  madeAt: z.string(),
  from: z.string(),
  folders: z.array(folder),
  files: z.array(file),
  links: z.array(link),
});
export type BackupManifest = z.infer<typeof manifestShape>;
type FileRow = z.infer<typeof file>;

/** Made again at the next start, or of no use elsewhere. */
const LEFT_OUT =
  /(^|\/)((runtime|restored)\.json|ballast[^/]*|LOCK|[^/]+\.partial|[^/]+\.lock|[^/]+-(wal|shm|journal))$/;
/** The application server's SQL store; what is beside it belongs to open connections. */
const SQL_STORE = 'store/appserver.db';

/** Copies a data folder into a new folder. Throws BH-E-SPOOL-LOCKED when a LevelDB store in it is in use, BH-E-CONFLICT when `to` is not empty. */
export async function backupFolder(data: string, to: string, clock: Clock): Promise<BackupManifest> {
  const from = resolve(data);
  const into = resolve(to);
  if (!existsSync(from)) throw new BackhaulError('BH-E-NOT-FOUND', { detail: from });
  if (`${into}${sep}`.startsWith(`${from}${sep}`))
    throw new BackhaulError('BH-E-USAGE', { detail: 'the backup must not lie in the folder it is made of' });
  await refuseFilled(into);
  const entries = await walk(from);
  refuseRunningStore(from, entries);
  await mkdir(join(into, 'files'), { recursive: true, mode: 0o700 });
  const manifest: BackupManifest = {
    format: 1,
    version: VERSION,
    madeAt: isoTime(clock.now()),
    from,
    folders: entries.filter((entry) => entry.kind === 'folder').map(({ path, mode }) => ({ path, mode })),
    links: await Promise.all(
      entries
        .filter((entry) => entry.kind === 'link')
        .map(async ({ path }) => ({ path, target: await readlink(join(from, path)) })),
    ),
    files: [],
  };
  for (const { path } of manifest.folders) await mkdir(join(into, 'files', path), { recursive: true, mode: 0o700 });
  for (const entry of sqlStoreFirst(entries)) manifest.files.push(await copyOne(from, into, entry));
  await writeFileAtomic(join(into, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`, 0o600);
  return manifest;
}

/** Puts a backup back into an empty or missing folder. Every hash is checked before anything is written. */
export async function restoreFolder(backup: string, data: string): Promise<BackupManifest> {
  const from = resolve(backup);
  const into = resolve(data);
  const manifest = await readJson(join(from, 'manifest.json'), manifestShape);
  await refuseFilled(into);
  for (const row of manifest.files) await checkFile(from, row);
  await mkdir(into, { recursive: true, mode: 0o700 });
  for (const { path } of manifest.folders) await mkdir(inside(into, path), { recursive: true, mode: 0o700 });
  for (const { path, mode } of manifest.files) {
    await copyFile(join(from, 'files', path), inside(into, path));
    await chmod(inside(into, path), mode);
  }
  for (const { path, target } of manifest.links) await symlink(insideLink(into, path, target), inside(into, path));
  const mark = { madeAt: manifest.madeAt, from };
  if (hasLevelStore(manifest.files))
    await writeFileAtomic(join(into, RESTORE_MARK), `${JSON.stringify(mark)}\n`, 0o600);
  for (const { path, mode } of manifest.folders.toReversed()) await chmod(inside(into, path), mode);
  await syncDirectory(into);
  return manifest;
}

interface Entry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly mode: number;
}

async function walk(root: string, below = ''): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const name of (await readdir(join(root, below))).toSorted()) {
    const path = below === '' ? name : `${below}/${name}`;
    const about = await lstat(join(root, path));
    const mode = about.mode & 0o777;
    if (LEFT_OUT.test(path)) continue;
    if (about.isSymbolicLink()) found.push({ path, kind: 'link', mode });
    else if (about.isFile()) found.push({ path, kind: 'file', mode });
    else if (about.isDirectory()) found.push({ path, kind: 'folder', mode }, ...(await walk(root, path)));
  }
  return found;
}

/** What the SQL store names (artifacts) is then in the copy too. */
function sqlStoreFirst(entries: readonly Entry[]): Entry[] {
  const files = entries.filter(({ kind }) => kind === 'file');
  return [...files.filter(({ path }) => path === SQL_STORE), ...files.filter(({ path }) => path !== SQL_STORE)];
}

function refuseRunningStore(from: string, entries: readonly Entry[]): void {
  const pid = runningPid(from);
  if (pid === undefined || !hasLevelStore(entries)) return;
  throw new BackhaulError('BH-E-SPOOL-LOCKED', {
    detail: `process ${pid} is using ${from}; its store can only be copied while it is stopped`,
  });
}

/** A LevelDB folder is known by its file `CURRENT`. */
function hasLevelStore(rows: readonly { readonly path: string }[]): boolean {
  return rows.some(({ path }) => /(^|\/)CURRENT$/.test(path));
}

async function copyOne(from: string, into: string, { path, mode }: Entry): Promise<FileRow> {
  const source = join(from, path);
  const target = join(into, 'files', path);
  if (path === SQL_STORE) await copySqlStore(from, target);
  else await copyUnchanged(source, target, path);
  await chmod(target, 0o600);
  return { path, mode, size: (await stat(target)).size, sha256: await hashFile(target) };
}

/** SQLite makes the copy itself: one consistent state, while the server goes on writing. */
async function copySqlStore(dataDirectory: string, target: string): Promise<void> {
  await (await import('@backhaul/appserver')).backupAppserver(dataDirectory, target);
}

async function copyUnchanged(source: string, target: string, path: string): Promise<void> {
  const before = await stat(source);
  await copyFile(source, target);
  const after = await stat(source);
  if (after.mtimeMs === before.mtimeMs && after.size === before.size) return;
  throw new BackhaulError('BH-E-CONFLICT', {
    detail: `${path} changed while it was copied; stop what writes it, or try again`,
  });
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function checkFile(backup: string, row: FileRow): Promise<void> {
  const path = inside(join(backup, 'files'), row.path);
  if (!existsSync(path) || (await hashFile(path)) !== row.sha256) {
    throw new BackhaulError('BH-E-BULK-HASH', {
      detail: `${row.path} of the backup is missing or damaged; nothing was restored`,
    });
  }
}

async function refuseFilled(folder: string): Promise<void> {
  if (existsSync(folder) && (await readdir(folder)).length > 0) {
    throw new BackhaulError('BH-E-CONFLICT', { detail: `${folder} is not empty` });
  }
}

/** A path of the manifest, held inside the folder. */
function inside(root: string, path: string): string {
  const full = resolve(root, path);
  if (relative(root, full).startsWith('..') || full === root) throw new BackhaulError('BH-E-NAME', { detail: path });
  return full;
}

function insideLink(root: string, path: string, target: string): string {
  inside(root, relative(root, resolve(dirname(inside(root, path)), target)));
  return target;
}
