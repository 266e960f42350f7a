import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BackhaulError } from '@backhaul/runtime';

/** What is read or written at one time; two of them are all the memory that a transfer needs here. */
const BLOCK_BYTES = 1024 * 1024;
/** After so many the disk is told to begin, so that little is left to be synced at the end. */
const SYNC_BYTES = 64 * 1024 * 1024;

/**
 * A file that grows while it is fetched, with the SHA-256 of what it holds. It stands beside its final name as `.part`
 * until all its bytes are there, right, and synced; only then it gets its name. While one block is written the next is collected.
 */
export class PartFile {
  readonly #finalPath: string;
  readonly #file: FileHandle;
  #hash = createHash('sha256');
  /** bytes written and hashed */
  #length = 0;
  #collecting = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #collected = 0;
  #spare = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #writing: { readonly block: Buffer; readonly done: Promise<void>; isDone: boolean } | undefined;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #syncError: BackhaulError | undefined;
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
    for (;;) {
      const { bytesRead } = await file.read(part.#collecting, 0, BLOCK_BYTES, part.#length);
      if (bytesRead === 0) return part;
      part.#hash.update(part.#collecting.subarray(0, bytesRead));
      part.#length += bytesRead;
    }
  }

  /** Bytes that were given and not lost. */
  get length(): number {
    return this.#length + this.#collected + (this.#writing?.block.length ?? 0);
  }

  /**
   * Written at once; while something is being written it is collected, up to a block. Throws BH-E-BULK-SPACE for what was
   * given before, and then keeps nothing that is not written.
   */
  async append(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const piece = bytes.subarray(from, from + BLOCK_BYTES - this.#collected);
      this.#collecting.set(piece, this.#collected);
      this.#collected += piece.length;
      from += piece.length;
      if (this.#collected === BLOCK_BYTES || (this.#writing?.isDone ?? true)) await this.#write();
    }
  }

  /** Everything that was given is in the file. Throws BH-E-BULK-SPACE, and then keeps nothing that is not written. */
  async flush(): Promise<void> {
    if (this.#collected > 0) await this.#write();
    await this.#written();
  }

  /** Begins to write what was collected, when the block before it is written. */
  async #write(): Promise<void> {
    await this.#written();
    if (this.#isTorn) await this.#mend();
    const block = this.#collecting.subarray(0, this.#collected);
    [this.#collecting, this.#spare, this.#collected] = [this.#spare, this.#collecting, 0];
    const done = onDisk(this.#file.appendFile(block));
    const writing = { block, done, isDone: false };
    const end = (): void => void (writing.isDone = true);
    done.then(end, end); // whoever waits for it hears of a failure
    this.#writing = writing;
  }

  async #written(): Promise<void> {
    const writing = this.#writing;
    if (writing === undefined) return;
    try {
      await writing.done;
    } catch (error) {
      [this.#writing, this.#collected, this.#isTorn] = [undefined, 0, true];
      throw error;
    }
    this.#writing = undefined;
    this.#hash.update(writing.block);
    this.#length += writing.block.length;
    this.#unsynced += writing.block.length;
    if (this.#unsynced >= SYNC_BYTES) this.#beginSync();
  }

  /** A kernel tells of a failed sync once: it is remembered. */
  #beginSync(): void {
    if (this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = onDisk(this.#file.datasync())
      .catch((error) => void (this.#syncError = error))
      .finally(() => (this.#syncing = undefined));
  }

  /** What a write that failed has put there is taken off before anything is appended: the hash knows nothing of it. */
  async #mend(): Promise<void> {
    await onDisk(this.#file.truncate(this.#length));
    this.#isTorn = false;
  }

  /** From the beginning again. */
  async restart(): Promise<void> {
    this.#collected = 0;
    await this.#written().catch(() => {});
    await onDisk(this.#file.truncate(0));
    this.#isTorn = false;
    this.#hash = createHash('sha256');
    this.#length = 0;
  }

  /** Whether these are the bytes; call it when all are there and flushed. */
  matches(sha256: string): boolean {
    return this.#hash.copy().digest('hex') === sha256;
  }

  /** Synced, then named: whoever sees the name sees all the bytes. What could not be synced may be gone: it is discarded. */
  async publish(): Promise<void> {
    try {
      await this.flush();
      if (this.#isTorn) await this.#mend();
      await this.#syncing;
      if (this.#syncError) throw this.#syncError;
      await onDisk(this.#file.sync());
    } catch (error) {
      await this.discard();
      throw error;
    }
    await rename(`${this.#finalPath}.part`, this.#finalPath);
    const directory = await open(dirname(this.#finalPath), 'r');
    await directory.sync().finally(() => directory.close());
  }

  async discard(): Promise<void> {
    await rm(`${this.#finalPath}.part`, { force: true });
  }

  async close(): Promise<void> {
    await this.#written().catch(() => {});
    await this.#syncing;
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
