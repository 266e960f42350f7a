/**
 * Keeps values until its bytes are used up; then it takes no more until some leave. In a queue that is read from its head, what
 * came first is what is needed first, so nothing is pushed out by what comes later.
 */
export class ByteCache {
  readonly #maxBytes: number;
  readonly #values = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  /** False when there was no room. */
  add(key: string, value: Uint8Array): boolean {
    if (this.#bytes + value.length > this.#maxBytes || this.#values.has(key)) return false;
    this.#values.set(key, value);
    this.#bytes += value.length;
    return true;
  }

  delete(key: string): void {
    this.#bytes -= this.#values.get(key)?.length ?? 0;
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
    this.#bytes = 0;
  }
}
