import type { SparingLog } from '@backhaul/runtime';
import { numberKey, numberOf, parseJson, putJson } from './keys.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import type { Op, Store } from './store.ts';
import type { DeadLetter, SpoolEntry } from './types.ts';

/** Kept for people to look at; their receipts have gone up, so at the bound the oldest is discarded, of the child with the most: nobody's flood hides those of others [T-A36]. */
export const DEAD_LETTER_LIMITS = { messages: 1_000, bytes: 64 * 1024 * 1024 } as const;

type Told = Pick<DeadLetter, 'code' | 'detail' | 'at'> & { lane: number };

/** Messages that a receiver refused for good, or that were taken out as poison. Value: `length u32 | JSON {code, detail, at, lane} | record of one entry`. A number is given once. */
export class DeadLetters {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #nextKey: string;
  readonly #log: SparingLog | undefined;
  /** bytes on disk and the child it came through, by number, oldest first */
  readonly #letters = new Map<number, { readonly bytes: number; readonly via: string | undefined }>();
  #bytes = 0;
  #next = 1;
  /** since the start, for want of room */
  discarded = 0;

  constructor(store: Store, keys: { readonly letters: string; readonly next: string }, log?: SparingLog) {
    this.#store = store;
    this.#prefix = keys.letters;
    this.#nextKey = keys.next;
    this.#log = log;
  }

  get count(): number {
    return this.#letters.size;
  }

  async load(): Promise<void> {
    this.#letters.clear();
    this.#bytes = 0;
    this.#next = 1;
    for await (const [key, value] of this.#store.scan(this.#prefix)) {
      const number = numberOf(key);
      this.#note(number, value.length, viaOf(number, value));
    }
    const next = await this.#store.get(this.#nextKey);
    if (next !== undefined) this.#next = Math.max(this.#next, parseJson<number>(next));
  }

  addOps(entry: SpoolEntry, code: string, detail: string | undefined, at: number): Op[] {
    const number = this.#next;
    const told = Buffer.from(
      JSON.stringify({ code, detail, at, lane: entry.lane } satisfies Record<keyof Told, unknown>),
    );
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(told.length);
    const value = Buffer.concat([length, told, encodeRecord([entry])]);
    this.#note(number, value.length, entry.via);
    const letter: Op = { type: 'put', key: this.#prefix + numberKey(number), value };
    return [...this.#makeRoom(number), letter, putJson(this.#nextKey, this.#next)];
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
    const letter = this.#letters.get(number);
    if (letter === undefined) return [];
    this.#letters.delete(number);
    this.#bytes -= letter.bytes;
    return [{ type: 'del', key: this.#prefix + numberKey(number) }];
  }

  #note(number: number, bytes: number, via: string | undefined): void {
    this.#letters.set(number, { bytes, via });
    this.#bytes += bytes;
    this.#next = number + 1;
  }

  /** The newest stays, however large. */
  #makeRoom(newest: number): Op[] {
    const ops: Op[] = [];
    const { messages, bytes } = DEAD_LETTER_LIMITS;
    while (this.count > 1 && (this.count > messages || this.#bytes > bytes)) {
      const oldest = this.#oldestOfMost(newest, this.#bytes > bytes ? (letter) => letter.bytes : () => 1);
      ops.push(...this.removeOps(oldest));
      this.discarded += 1;
    }
    const { discarded } = this;
    if (ops.length > 0) this.#log?.log('warn', 'discarded', { discarded }, 'old dead letters made room for new ones');
    return ops;
  }

  /** The oldest but `newest` of whoever has the most of it. */
  #oldestOfMost(newest: number, sizeOf: (letter: { readonly bytes: number }) => number): number {
    const sums = new Map<string | undefined, { size: number; oldest: number }>();
    for (const [number, letter] of this.#letters) {
      if (number === newest) continue;
      const sum = sums.get(letter.via);
      if (sum === undefined) sums.set(letter.via, { size: sizeOf(letter), oldest: number });
      else sum.size += sizeOf(letter);
    }
    return [...sums.values()].reduce((most, sum) => (sum.size > most.size ? sum : most)).oldest;
  }
}

/** One that is damaged shows when it is asked for; here it stops nothing. */
function viaOf(number: number, value: Uint8Array): string | undefined {
  try {
    return decode(number, value).entry.via;
  } catch {
    return undefined;
  }
}

function decode(number: number, value: Uint8Array): DeadLetter {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = 4 + bytes.readUInt32LE(0);
  const { lane, ...told } = parseJson<Told>(bytes.subarray(4, end));
  return { number, entry: decodeRecord(lane, bytes.subarray(end))[0]!, ...told };
}
