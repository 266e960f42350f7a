import { readFile, rm, writeFile } from 'node:fs/promises';

/** Counts starts since the last clean stop: what ends twice in a row without one may have met damage that ends the process. */
export class StartCount {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The number of this start: 1 after a clean stop. A full disk does not keep anybody from starting. */
  async next(): Promise<number> {
    const before = Number(await readFile(this.#path, 'utf8').catch(() => '0')) || 0;
    await this.#write(before + 1);
    return before + 1;
  }

  async restart(): Promise<void> {
    await this.#write(1);
  }

  /** A file that stays makes the next start a careful one; no more. */
  async clear(): Promise<void> {
    await rm(this.#path, { force: true }).catch(() => {});
  }

  async #write(count: number): Promise<void> {
    await writeFile(this.#path, String(count)).catch(() => {});
  }
}
