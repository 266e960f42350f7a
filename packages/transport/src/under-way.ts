/** What is being handled, by child and process, so that whoever takes over can wait for its end. */
export class UnderWay {
  readonly #children = new Map<string, Set<{ readonly boot: string; readonly ended: Promise<void> }>>();

  /** The function it gives must be called at the end. */
  enter(child: string, boot: string): () => void {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const entry = { boot, ended };
    const entries = this.#children.get(child) ?? new Set();
    this.#children.set(child, entries.add(entry));
    return () => {
      entries.delete(entry);
      if (entries.size === 0) this.#children.delete(child);
      resolve();
    };
  }

  /** Resolves when everything of its other processes has ended. */
  async othersEnded(child: string, boot: string): Promise<void> {
    const others = [...(this.#children.get(child) ?? [])].filter((entry) => entry.boot !== boot);
    await Promise.all(others.map(({ ended }) => ended));
  }
}
