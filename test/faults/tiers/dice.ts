import type { Random } from '@backhaul/runtime';

/** What faults need of chance. */
export class Dice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(probability: number): boolean {
    return this.#random.fraction() < probability;
  }

  /** A number from `least` up to, not including, `most`; whole. */
  between(least: number, most: number): number {
    return Math.floor(least + this.#random.fraction() * (most - least));
  }

  one<T>(of: readonly T[]): T {
    return of[this.between(0, of.length)]!;
  }

  /** So many of them, in any order. */
  some<T>(of: readonly T[], count: number): T[] {
    return of
      .map((item) => ({ item, at: this.#random.fraction() }))
      .toSorted((a, b) => a.at - b.at)
      .slice(0, count)
      .map(({ item }) => item);
  }
}
