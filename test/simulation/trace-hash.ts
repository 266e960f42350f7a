/** What a run did, as one number that differs when anything did: two lanes of FNV-1a over the words it is given. */
export class TraceHash {
  #a = 0x811c9dc5;
  #b = 0x9e3779b1;

  number(value: number): void {
    this.#word(value | 0);
    this.#word(Math.floor(value / 2 ** 32) | 0);
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
  }

  bytes(value: Uint8Array): void {
    this.#word(value.length);
    const step = Math.max(1, value.length >> 6);
    for (let i = 0; i < value.length; i += step) this.#word(value[i]!);
  }

  toString(): string {
    return [this.#a, this.#b].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b ^ (value + 0x7f4a7c15), 0x85ebca6b);
    this.#b ^= this.#b >>> 13;
  }
}
