/** A binary heap: whatever expires first is on top. What has left elsewhere is found to be stale when it comes up. */
export class ExpiryHeap<T> {
  readonly #ats: number[] = [];
  readonly #values: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  /** `isBefore` decides between two of the same time. */
  constructor(isBefore: (a: T, b: T) => boolean = () => false) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#ats.length;
  }

  push(at: number, value: T): void {
    let index = this.#ats.length;
    this.#ats.push(at);
    this.#values.push(value);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isLess(index, parent)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  peek(): { readonly at: number; readonly value: T } | undefined {
    return this.#ats.length === 0 ? undefined : { at: this.#ats[0]!, value: this.#values[0]! };
  }

  pop(): { readonly at: number; readonly value: T } | undefined {
    const top = this.peek();
    const at = this.#ats.pop();
    const value = this.#values.pop();
    if (this.#ats.length > 0) {
      this.#ats[0] = at!;
      this.#values[0] = value!;
      this.#sink();
    }
    return top;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= this.#ats.length) return;
      const right = left + 1;
      const child = right < this.#ats.length && this.#isLess(right, left) ? right : left;
      if (!this.#isLess(child, index)) return;
      this.#swap(index, child);
      index = child;
    }
  }

  #isLess(a: number, b: number): boolean {
    const [atA, atB] = [this.#ats[a]!, this.#ats[b]!];
    return atA === atB ? this.#isBefore(this.#values[a]!, this.#values[b]!) : atA < atB;
  }

  #swap(a: number, b: number): void {
    const [at, value] = [this.#ats[a]!, this.#values[a]!];
    this.#ats[a] = this.#ats[b]!;
    this.#values[a] = this.#values[b]!;
    this.#ats[b] = at;
    this.#values[b] = value;
  }
}
