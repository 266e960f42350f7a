import type { Op } from './store.ts';

/** Bytes of one synced batch; more waits for the next one, so that one sync stays short. A commit is never split. */
const BATCH_BYTES = 8 * 1024 * 1024;

interface Pending {
  readonly ops: readonly Op[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: one write at a time; the next one starts when the last one ends, with everything that has arrived by then, in
 * the order of arrival. Never a timer. When a write fails, its commits and all that wait are rejected with the same error.
 */
export class CommitLoop {
  readonly #write: (ops: readonly Op[]) => Promise<void>;
  #waiting: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(write: (ops: readonly Op[]) => Promise<void>) {
    this.#write = write;
  }

  /** Without operations: resolves when all earlier commits are written. */
  submit(ops: readonly Op[]): Promise<void> {
    if (ops.length === 0 && this.#running === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ops, bytes: bytesOf(ops), resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    await undefined; // commits of the same tick go together
    while (this.#waiting.length > 0) await this.#writeNext();
    this.#running = undefined;
  }

  async #writeNext(): Promise<void> {
    const batch = this.#take();
    try {
      const ops = batch.length === 1 ? batch[0]!.ops : batch.flatMap((pending) => pending.ops);
      if (ops.length > 0) await this.#write(ops);
      for (const pending of batch) pending.resolve();
    } catch (error) {
      for (const pending of [...batch, ...this.#waiting.splice(0)]) pending.reject(error);
    }
  }

  #take(): Pending[] {
    let count = 0;
    let bytes = 0;
    for (const pending of this.#waiting) {
      bytes += pending.bytes;
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

export function bytesOf(ops: readonly Op[]): number {
  let bytes = 0;
  for (const op of ops) bytes += op.key.length + (op.type === 'put' ? op.value.length : 0);
  return bytes;
}
