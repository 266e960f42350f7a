/** A source in one epoch. */
export interface Stream {
  readonly source: string;
  readonly epoch: string;
}

/** Numbers for source and epoch, so that an entry needs four bytes to name them. Cleared when the spool is empty. */
export class Streams {
  readonly #numbers = new Map<string, number>();
  #streams: Stream[] = [];

  numberOf({ source, epoch }: Stream): number {
    const name = `${source} ${epoch}`;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#streams.push({ source, epoch }) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  get(number: number): Stream {
    return this.#streams[number]!;
  }

  matching(isWanted: (stream: Stream) => boolean): ReadonlySet<number> {
    return new Set(this.#streams.flatMap((stream, number) => (isWanted(stream) ? [number] : [])));
  }

  clear(): void {
    this.#numbers.clear();
    this.#streams = [];
  }
}
