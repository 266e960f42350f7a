import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseKeyName } from '@backhaul/identity';
import { BackhaulError, type Clock, toBackhaulError } from '@backhaul/runtime';
import { AuditLog } from './audit-log.ts';
import { Floors } from './floors.ts';
import { judge, type Manifest, type SignedManifest } from './judgement.ts';
import { readPolicy } from './policy.ts';
import { ReleaseFolders } from './release-folders.ts';
import { type ArchiveLimits, unpackArchive } from './unpack-archive.ts';

export interface InstallerOptions {
  /** folder of installed software, floors and audit log */
  readonly softwareDirectory: string;
  readonly policyFile: string;
  readonly limits: ArchiveLimits;
  readonly clock: Clock;
}

export type Progress =
  | { readonly state: 'verified' | 'started' }
  | { readonly state: 'percent'; readonly percent: number };

/** An offer that the policy allows, and its bytes. */
interface Job {
  readonly manifest: Manifest;
  readonly file: FileHandle;
  readonly folders: ReleaseFolders;
  readonly floors: Floors;
  readonly limits: ArchiveLimits;
  readonly report: (progress: Progress) => void;
}

/** The way of an install that was judged. Each step may be run again after a crash; others see nothing before `switchCurrent`. */
export const INSTALL_STEPS = [verify, unpack, raiseFloor, switchCurrent, prune] as const;

/**
 * Judges offers by the site's policy and installs what it allows [PUSH-TRUST 5.3, 5.4]. It trusts nothing it is told: the
 * manifest is judged again at the install, the bytes are hashed from the open file and once more while they are unpacked.
 */
export class Installer {
  readonly #options: InstallerOptions;
  readonly #floors: Floors;
  readonly #audit: AuditLog;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: InstallerOptions) {
    this.#options = options;
    this.#floors = new Floors(join(options.softwareDirectory, 'floors.json'));
    this.#audit = new AuditLog(join(options.softwareDirectory, 'audit.jsonl'), options.clock);
  }

  async load(): Promise<void> {
    await this.#audit.load();
    await this.#floors.load();
  }

  /** Would this be installed? Throws the refusal, before any byte is fetched. */
  async judge(offer: SignedManifest): Promise<Manifest> {
    try {
      const manifest = await this.#judge(offer);
      await this.#audit.append({
        what: 'judged',
        allowed: true,
        ...fieldsOf(manifest),
        key: releaseKeyName(offer.publicKey),
      });
      return manifest;
    } catch (error) {
      await this.#audit.append({ what: 'judged', allowed: false, code: toBackhaulError(error).code });
      throw error;
    }
  }

  /** One install at a time. Running the same one again changes nothing and succeeds. */
  install(offer: SignedManifest, path: string, report: (progress: Progress) => void): Promise<Manifest> {
    const next = this.#tail.then(() => this.#install(offer, path, report));
    this.#tail = next.catch(() => {});
    return next;
  }

  async #judge(offer: SignedManifest): Promise<Manifest> {
    const { policy, reason } = await readPolicy(this.#options.policyFile);
    return judge(offer, { policy, denied: reason, floors: this.#floors });
  }

  async #install(offer: SignedManifest, path: string, report: (progress: Progress) => void): Promise<Manifest> {
    try {
      const manifest = await this.#judge(offer);
      const file = await openSealed(path, manifest.size);
      try {
        const folders = new ReleaseFolders(this.#options.softwareDirectory, manifest.name);
        const job = { manifest, file, folders, floors: this.#floors, limits: this.#options.limits, report };
        for (const step of INSTALL_STEPS) await step(job);
      } finally {
        await file.close();
      }
      await this.#audit.append({ what: 'installed', ...fieldsOf(manifest), key: releaseKeyName(offer.publicKey) });
      return manifest;
    } catch (thrown) {
      const error = toInstallError(thrown);
      await this.#audit.append({ what: 'failed', code: error.code, detail: error.detail });
      throw error;
    }
  }
}

/** The one open file that is hashed and unpacked; a link in its place is refused, and its name is not looked at again. */
async function openSealed(path: string, size: number): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((cause: NodeJS.ErrnoException) => {
    throw new BackhaulError('BH-E-INSTALL', { detail: `opening the artifact: ${cause.code}`, cause });
  });
  const found = await file.stat();
  if (found.isFile() && found.size === size) return file;
  await file.close();
  throw new BackhaulError('BH-E-BULK-HASH', { detail: `${found.size} bytes instead of ${size}` });
}

async function verify({ file, manifest: { sha256 }, report }: Job): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) hash.update(chunk as Buffer);
  if (hash.digest('hex') !== sha256)
    throw new BackhaulError('BH-E-BULK-HASH', { detail: 'the file is not the one of the manifest' });
  report({ state: 'verified' });
}

/** Beside the releases that are there; it becomes one of them when it is complete. */
async function unpack({ manifest, file, folders, limits, report }: Job): Promise<void> {
  report({ state: 'started' });
  const { size, sha256 } = manifest;
  if (await folders.isComplete(sha256)) return;
  const into = await folders.unfinished(sha256);
  try {
    const onPercent = (percent: number) => report({ state: 'percent', percent });
    await unpackArchive({ file, size, sha256, into, limits, onPercent });
  } catch (error) {
    await rm(into, { recursive: true, force: true });
    throw error;
  }
  await folders.complete(into, sha256);
}

/** Before the switch: a crash between the two must not open the way back to an older version. */
function raiseFloor({ manifest, floors }: Job): Promise<void> {
  return floors.set(manifest.name, manifest.version);
}

function switchCurrent({ manifest, folders }: Job): Promise<void> {
  return folders.switchTo(manifest.sha256);
}

function prune({ folders }: Job): Promise<void> {
  return folders.prune();
}

function toInstallError(thrown: unknown): BackhaulError {
  if (thrown instanceof BackhaulError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  return new BackhaulError('BH-E-INSTALL', { detail: code ?? message, cause: thrown });
}

function fieldsOf({ name, version, sha256 }: Manifest): { name: string; version: string; sha256: string } {
  return { name, version, sha256 };
}
