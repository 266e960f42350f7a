import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { freeDiskBytes } from '@backhaul/runtime';

/** Fetches an artifact whole and verified to a path; resumes what `<path>.part` holds. */
export type Fetch = (
  sha256: string,
  size: number,
  toPath: string,
  options: { onProgress: (bytes: number, size: number) => void; signal: AbortSignal },
) => Promise<void>;

export interface Fetched {
  /** bytes that came over the line */
  readonly bytes: number;
  /** 1 for the one who fetched, 0 for those who waited for the same file, or found it here */
  readonly fetches: number;
}

/** Files named by their SHA-256 in one folder. A file under its name is whole and verified: it got the name last. */
export class ArtifactStore {
  readonly directory: string;
  readonly #fetch: Fetch;
  readonly #underWay = new Map<string, Promise<number>>();

  constructor(options: { directory: string; fetch: Fetch }) {
    this.directory = options.directory;
    this.#fetch = options.fetch;
  }

  path(sha256: string): string {
    return join(this.directory, sha256);
  }

  async has(sha256: string, size: number): Promise<boolean> {
    return (await sizeOf(this.path(sha256))) === size;
  }

  /** Bytes free beyond what the artifact still needs. */
  async spaceAfter(sha256: string, size: number): Promise<number> {
    await mkdir(this.directory, { recursive: true });
    const here = (await sizeOf(this.path(sha256))) ?? (await sizeOf(`${this.path(sha256)}.part`)) ?? 0;
    return (await freeDiskBytes(this.directory)) - Math.max(0, size - here);
  }

  /** Single flight: who asks for the same artifact meanwhile waits for the same fetch. `onBytes` counts what came. */
  async fetch(sha256: string, size: number, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<Fetched> {
    if (!this.#underWay.has(sha256) && (await this.has(sha256, size))) return { bytes: 0, fetches: 0 };
    const underWay = this.#underWay.get(sha256);
    if (underWay === undefined) return { bytes: await this.#begin(sha256, size, signal, onBytes), fetches: 1 };
    await underWay;
    return { bytes: 0, fetches: 0 };
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.path(sha256), { force: true });
    await rm(`${this.path(sha256)}.part`, { force: true });
  }

  /** Removes what no transfer speaks of any more, after a crash between the commit and the removal. */
  async sweep(wanted: ReadonlySet<string>): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    for (const name of await readdir(this.directory)) {
      const sha256 = name.replace(/\.part$/, '');
      if (/^[0-9a-f]{64}$/.test(sha256) && !wanted.has(sha256)) await this.remove(sha256);
    }
  }

  #begin(sha256: string, size: number, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<number> {
    const fetching = this.#fetchCounted(sha256, size, signal, onBytes).finally(() => this.#underWay.delete(sha256));
    this.#underWay.set(sha256, fetching);
    return fetching;
  }

  async #fetchCounted(
    sha256: string,
    size: number,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<number> {
    await mkdir(this.directory, { recursive: true });
    const path = this.path(sha256);
    let at = (await sizeOf(`${path}.part`)) ?? 0;
    let bytes = 0;
    const onProgress = (here: number): void => {
      const came = here >= at ? here - at : here; // it began again
      at = here;
      bytes += came;
      onBytes(came);
    };
    await this.#fetch(sha256, size, path, { onProgress, signal });
    return bytes;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}
