/** So many polls ended by another one of the same identity within the window: two are polling, it is no reconnection. */
const RIVALS = 10;
const WINDOW_MS = 60_000;
/** While it goes on, staff is told anew after so long. */
const AGAIN_MS = 600_000;
const MAX_OWNERS = 10_000;

/** Tells two pollers of one identity from one that has lost its connection, as a pure step machine; time is monotonic. */
export class PollRivals {
  readonly #owners = new Map<string, { ends: number[]; toldAt: number }>();

  /** A held poll was ended by another one. True when staff should be told now. */
  ended(owner: string, now: number): boolean {
    const known = this.#owners.get(owner) ?? { ends: [], toldAt: Number.NEGATIVE_INFINITY };
    this.#owners.delete(owner);
    if (this.#owners.size >= MAX_OWNERS) this.#owners.delete(this.#owners.keys().next().value!);
    this.#owners.set(owner, known);
    known.ends = [...known.ends.filter((at) => now - at < WINDOW_MS), now].slice(-RIVALS);
    if (known.ends.length < RIVALS || now - known.toldAt < AGAIN_MS) return false;
    known.toldAt = now;
    return true;
  }

  forget(owner: string): void {
    this.#owners.delete(owner);
  }
}
