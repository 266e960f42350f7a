interface Item<T> {
  readonly at: number;
  readonly value: T;
}

/** A binary heap: whatever expires first is on top. What has left elsewhere is found to be stale when it comes up. */
export class ExpiryHeap<T> {
  #items: Item<T>[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(at: number, value: T): void {
    const items = this.#items;
    let index = items.length;
    items.push({ at, value });
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (items[parent]!.at <= items[index]!.at) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  peek(): Item<T> | undefined {
    return this.#items[0];
  }

  pop(): Item<T> | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) {
      items[0] = last;
      this.#sink();
    }
    return top;
  }

  #sink(): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= items.length) return;
      const right = left + 1;
      const child = right < items.length && items[right]!.at < items[left]!.at ? right : left;
      if (items[index]!.at <= items[child]!.at) return;
      this.#swap(index, child);
      index = child;
    }
  }

  #swap(a: number, b: number): void {
    const item = this.#items[a]!;
    this.#items[a] = this.#items[b]!;
    this.#items[b] = item;
  }
}
