/**
 * Keeps values until its bytes are used up; then it takes no more until some leave. In a queue that is read from its head, what
 * came first is what is needed first, so nothing is pushed out by what comes later.
 */
export class ByteCache<T = Uint8Array> {
  readonly #maxBytes: number;
  readonly #values = new Map<string, { readonly value: T; readonly bytes: number }>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): T | undefined {
    return this.#values.get(key)?.value;
  }

  /** `bytes`: what the value takes. False when there was no room. */
  add(key: string, value: T, bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes || this.#values.has(key)) return false;
    this.#values.set(key, { value, bytes });
    this.#bytes += bytes;
    return true;
  }

  delete(key: string): void {
    this.#bytes -= this.#values.get(key)?.bytes ?? 0;
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
    this.#bytes = 0;
  }
}
