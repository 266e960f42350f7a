import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BackhaulError } from '@backhaul/runtime';

const READ_BYTES = 1024 * 1024;

/**
 * A file that grows while it is fetched, with the SHA-256 of what it holds. It stands beside its final name as `.part`
 * until all its bytes are there, right, and synced; only then it gets its name.
 */
export class PartFile {
  readonly #finalPath: string;
  readonly #file: FileHandle;
  #hash = createHash('sha256');
  #length = 0;
  /** A write has failed: bytes of it may stand behind the first `#length`. */
  #isTorn = false;

  private constructor(finalPath: string, file: FileHandle) {
    this.#finalPath = finalPath;
    this.#file = file;
  }

  /** Takes up what an earlier run left. Throws BH-E-BULK-SPACE. */
  static async open(finalPath: string): Promise<PartFile> {
    const file = await onDisk(open(`${finalPath}.part`, 'a+', 0o600));
    const part = new PartFile(finalPath, file);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, part.#length);
      if (bytesRead === 0) return part;
      part.#hash.update(buffer.subarray(0, bytesRead));
      part.#length += bytesRead;
    }
  }

  get length(): number {
    return this.#length;
  }

  /** What a write that failed has put there is taken off before anything is appended: the hash knows nothing of it. */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#isTorn) await this.#mend();
    this.#isTorn = true;
    await onDisk(this.#file.appendFile(bytes));
    this.#isTorn = false;
    this.#hash.update(bytes);
    this.#length += bytes.length;
  }

  async #mend(): Promise<void> {
    await onDisk(this.#file.truncate(this.#length));
    this.#isTorn = false;
  }

  /** From the beginning again. */
  async restart(): Promise<void> {
    await onDisk(this.#file.truncate(0));
    this.#isTorn = false;
    this.#hash = createHash('sha256');
    this.#length = 0;
  }

  /** Whether these are the bytes; call it once, when all are there. */
  matches(sha256: string): boolean {
    return this.#hash.copy().digest('hex') === sha256;
  }

  /** Synced, then named: whoever sees the name sees all the bytes. */
  async publish(): Promise<void> {
    if (this.#isTorn) await this.#mend();
    await onDisk(this.#file.sync());
    await rename(`${this.#finalPath}.part`, this.#finalPath);
    const directory = await open(dirname(this.#finalPath), 'r');
    await directory.sync().finally(() => directory.close());
  }

  async discard(): Promise<void> {
    await rm(`${this.#finalPath}.part`, { force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function onDisk<T>(action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new BackhaulError(full ? 'BH-E-BULK-SPACE' : 'BH-E-INTERNAL', { detail: `artifact file: ${code}`, cause });
  }
}
