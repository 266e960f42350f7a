/** Things that have begun and not ended, in the order in which they began. */
export class UnderWaySince {
  readonly #begun = new Map<object, number>();

  /** `at`: monotonic ms */
  begin(what: object, at: number): void {
    this.#begun.set(what, at);
  }

  end(what: object): void {
    this.#begun.delete(what);
  }

  clear(): void {
    this.#begun.clear();
  }

  get oldest(): number | undefined {
    for (const at of this.#begun.values()) return at;
    return undefined;
  }
}
