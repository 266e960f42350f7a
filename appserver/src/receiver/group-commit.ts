import { BackhaulError } from '@backhaul/runtime';

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

export type Outcome<R> = { readonly ok: true; readonly result: R } | { readonly ok: false; readonly error: unknown };

/**
 * Lets what arrives while a commit runs share the next one: the next begins when the last ends, with everything that
 * waits by then, never on a timer [DESIGN §3]. `commit` answers for each item in order, or throws for all.
 */
export class GroupCommit<T, R> {
  readonly #commit: (items: readonly T[]) => Promise<readonly Outcome<R>[]>;
  readonly #sizeOf: (item: T) => number;
  readonly #maxSize: number;
  #waiting: Waiting<T, R>[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    commit: (items: readonly T[]) => Promise<readonly Outcome<R>[]>,
    sizeOf: (item: T) => number,
    maxSize: number,
  ) {
    this.#commit = commit;
    this.#sizeOf = sizeOf;
    this.#maxSize = maxSize;
  }

  /** @throws BH-E-DRAINING after `close` */
  submit(item: T): Promise<R> {
    if (this.#closed) return Promise.reject(new BackhaulError('BH-E-DRAINING', { retryAfterMs: 1_000 }));
    return new Promise<R>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Refuses what comes from now on; resolves when everything taken before has been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    await undefined; // whatever is submitted in this turn of the loop goes along
    while (this.#waiting.length > 0) await this.#commitGroup(this.#take());
    this.#running = undefined;
  }

  /** At least one; then as many as fit. */
  #take(): Waiting<T, R>[] {
    let size = 0;
    let count = 0;
    while (count < this.#waiting.length && (count === 0 || size < this.#maxSize))
      size += this.#sizeOf(this.#waiting[count++]!.item);
    return this.#waiting.splice(0, count);
  }

  async #commitGroup(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const outcomes = await this.#commit(group.map(({ item }) => item));
      for (const [index, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[index]!;
        if (outcome.ok) resolve(outcome.result);
        else reject(outcome.error);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
