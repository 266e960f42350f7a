import { numberKey, numberOf, parseJson } from './keys.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import type { Op, Store } from './store.ts';
import type { SpoolEntry } from './types.ts';

/** Kept for people to look at; their receipts have gone up, so the oldest may be forgotten. */
const DEAD_LETTERS_KEPT = 1_000;

export interface DeadLetter {
  readonly number: number;
  readonly entry: SpoolEntry;
  readonly code: string;
  readonly detail?: string;
  /** wall ms of the refusal */
  readonly at: number;
}

type Told = Pick<DeadLetter, 'code' | 'detail' | 'at'> & { lane: number };

/** Messages that the parent refused for good. Value: `length u32 | JSON {code, detail, at, lane} | record of one entry`. */
export class DeadLetters {
  readonly #store: Store;
  readonly #prefix: string;
  #numbers: number[] = [];
  #next = 1;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  get count(): number {
    return this.#numbers.length;
  }

  async load(): Promise<void> {
    this.#numbers = [];
    for await (const [key] of this.#store.scan(this.#prefix)) this.#numbers.push(numberOf(key));
    this.#next = (this.#numbers.at(-1) ?? 0) + 1;
  }

  addOps(entry: SpoolEntry, code: string, detail: string | undefined, at: number): Op[] {
    const number = this.#next++;
    this.#numbers.push(number);
    const told = Buffer.from(
      JSON.stringify({ code, detail, at, lane: entry.lane } satisfies Record<keyof Told, unknown>),
    );
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(told.length);
    const value = Buffer.concat([length, told, encodeRecord([entry])]);
    const forgotten = this.#numbers.splice(0, this.#numbers.length - DEAD_LETTERS_KEPT);
    return [
      ...forgotten.map((old) => this.#deletion(old)),
      { type: 'put', key: this.#prefix + numberKey(number), value },
    ];
  }

  /** Oldest first; `after` is a number, exclusive. */
  async list(options: { after?: number; limit?: number } = {}): Promise<DeadLetter[]> {
    const after = options.after === undefined ? {} : { after: this.#prefix + numberKey(options.after) };
    const letters: DeadLetter[] = [];
    for await (const [key, value] of this.#store.scan(this.#prefix, { ...after, limit: options.limit ?? 100 })) {
      letters.push(decode(numberOf(key), value));
    }
    return letters;
  }

  async read(number: number): Promise<DeadLetter | undefined> {
    const value = await this.#store.get(this.#prefix + numberKey(number));
    return value === undefined ? undefined : decode(number, value);
  }

  removeOps(number: number): Op[] {
    const at = this.#numbers.indexOf(number);
    if (at < 0) return [];
    this.#numbers.splice(at, 1);
    return [this.#deletion(number)];
  }

  #deletion(number: number): Op {
    return { type: 'del', key: this.#prefix + numberKey(number) };
  }
}

function decode(number: number, value: Uint8Array): DeadLetter {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = 4 + bytes.readUInt32LE(0);
  const { lane, ...told } = parseJson<Told>(bytes.subarray(4, end));
  return { number, entry: decodeRecord(lane, bytes.subarray(end))[0]!, ...told };
}
