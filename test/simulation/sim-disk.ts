import type { Op } from '@backhaul/spool';

/** What a machine's disk holds: outlives every process that runs on it. */
export class SimDisk {
  #values = new Map<string, Uint8Array>();
  #sorted: string[] | undefined;
  /** told of every operation that became durable */
  onWritten: (ops: readonly Op[]) => void = () => {};

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  /** In key order. */
  keys(prefix: string, after: string | undefined): string[] {
    this.#sorted ??= [...this.#values.keys()].sort();
    const keys = this.#sorted;
    const from = after === undefined ? lowerBound(keys, prefix) : lowerBound(keys, `${after}\0`);
    const found: string[] = [];
    for (let i = from; i < keys.length && keys[i]!.startsWith(prefix); i++) found.push(keys[i]!);
    return found;
  }

  apply(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.type === 'put') {
        if (!this.#values.has(op.key)) this.#sorted = undefined;
        this.#values.set(op.key, op.value);
      } else if (this.#values.delete(op.key)) this.#sorted = undefined;
    }
    this.onWritten(ops);
  }

  /** A copy of everything, as a backup or an image of the machine would have it. */
  snapshot(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#values);
  }

  restore(copy: ReadonlyMap<string, Uint8Array>): void {
    this.#values = new Map(copy);
    this.#sorted = undefined;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
