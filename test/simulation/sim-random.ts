import type { Random } from '@backhaul/runtime';

/** Dice that fall the same way each time for one seed and one name (sfc32). */
export class SimRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number, name: string) {
    let hash = 2166136261 ^ seed;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
    this.#a = hash | 0;
    this.#b = Math.imul(hash ^ (seed >>> 3), 0x9e3779b1) | 0;
    this.#c = ~seed | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#next() & 0xff;
    return bytes;
  }

  /** from ≤ x ≤ to, whole */
  between(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.fraction() * list.length)]!;
  }

  /** So many different ones, in their old order; all when there are fewer. */
  sample<T>(list: readonly T[], count: number): T[] {
    const keyed = list.map((item, index) => ({ item, index, key: this.fraction() }));
    const chosen = keyed.toSorted((a, b) => a.key - b.key).slice(0, count);
    return chosen.toSorted((a, b) => a.index - b.index).map(({ item }) => item);
  }

  /** Time until the next of events that come `perHour` on average, ms, at least 1. */
  untilNext(perHour: number): number {
    return Math.max(1, Math.round((-Math.log(1 - this.fraction()) * 3_600_000) / perHour));
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
