import type { Change } from '@backhaul/spool';

/** A notice that is not on disk after so long was in a commit that failed: it is said again. */
const AGAIN_MS = 5_000;

/** Which clones were told upward: one is told once, when the commit with its notice is on disk, and not before. */
export class CloneNotices {
  /** by child: when it was said, monotonic ms; infinite when that is on disk */
  readonly #said = new Map<string, number>();

  /** True when it has to be said now. */
  isDue(child: string, now: number): boolean {
    if (now - (this.#said.get(child) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false;
    this.#said.set(child, now);
    return true;
  }

  /** For the commit that has the notice. */
  said(child: string): Change {
    return { ops: [], applied: () => void this.#said.set(child, Number.POSITIVE_INFINITY) };
  }

  /** It is no clone any more. */
  forget(child: string): void {
    this.#said.delete(child);
  }
}
