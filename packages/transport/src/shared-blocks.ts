/** One block that a transfer sends; it may be used for another place as soon as nobody sends it. */
export interface Block {
  /** the bytes that the file has there; rejects with what the reading of it threw, for all who wait for it */
  readonly bytes: Promise<Buffer>;
  readonly release: () => void;
}

interface Held {
  readonly key: string;
  readonly buffer: Buffer;
  readonly bytes: Promise<Buffer>;
  users: number;
  isRead: boolean;
}

/**
 * Blocks of files in memory, so that transfers of one file that are at the same place, as when a group fetches it, read it once.
 * The buffers are made once and used again; what was sent last stays as long as no other place needs its buffer.
 */
export class SharedBlocks {
  readonly #blockBytes: number;
  readonly #most: number;
  /** by place, those used longest ago first */
  readonly #held = new Map<string, Held>();

  constructor(blockBytes: number, most: number) {
    this.#blockBytes = blockBytes;
    this.#most = most;
  }

  /** `read` fills a buffer from the place and says how many bytes. Undefined when all buffers are being sent. */
  take(key: string, read: (buffer: Buffer) => Promise<number>): Block | undefined {
    const held = this.#held.get(key) ?? this.#read(key, read);
    if (held === undefined) return undefined;
    held.users += 1;
    this.#held.delete(key); // to the end: used last
    this.#held.set(key, held);
    let released = false;
    return {
      bytes: held.bytes,
      release: () => {
        if (!released) held.users -= 1;
        released = true;
      },
    };
  }

  /** Nobody is sending anything: the memory goes back. */
  clear(): void {
    this.#held.clear();
  }

  #read(key: string, read: (buffer: Buffer) => Promise<number>): Held | undefined {
    const buffer = this.#free();
    if (buffer === undefined) return undefined;
    const bytes = read(buffer).then((length) => buffer.subarray(0, length));
    const held: Held = { key, buffer, bytes, users: 0, isRead: false };
    bytes.then(
      () => (held.isRead = true),
      () => this.#held.get(key) === held && this.#held.delete(key), // read again by whoever comes next
    );
    return held;
  }

  #free(): Buffer | undefined {
    if (this.#held.size < this.#most) return Buffer.allocUnsafeSlow(this.#blockBytes);
    for (const { key, buffer, users, isRead } of this.#held.values()) {
      if (users > 0 || !isRead) continue;
      this.#held.delete(key);
      return buffer;
    }
    return undefined;
  }
}
