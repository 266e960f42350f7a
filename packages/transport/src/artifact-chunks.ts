import type { FileHandle } from 'node:fs/promises';
import { BackhaulError } from '@backhaul/runtime';
import type { SharedBlocks } from './shared-blocks.ts';

/**
 * What is read and sent at one time: little at first and for a slow reader, so that it is seen to take something; more for a fast
 * one, which costs less a byte. The more transfers there are when one begins, the less it is given at most: the last, divided by them.
 */
export const CHUNK_BYTES = { least: 64 * 1024, most: 1024 * 1024, together: 64 * 1024 * 1024 } as const;
/** Blocks of the most that one may have, for all transfers together. */
export const SHARED_BLOCKS = 16;
/** A reader that takes a chunk within the first is given twice as much; one that takes longer than the second gets little again. */
const TAKEN_MS = { fast: 50, slow: 5_000 } as const;

export interface Chunk {
  readonly bytes: Buffer;
  /** The socket has taken all of it, or nobody wants it any more: then its memory may be used again. */
  readonly release: () => void;
}

/**
 * The chunks of one transfer. Those of a fast reader are blocks that it shares with whoever else is at the same place. A buffer of its
 * own serves the rest, one for all chunks of a size: a fresh one for each costs more than reading and sending it, pages to be mapped
 * and cleared, and collections for memory that the heap does not see.
 */
export class ArtifactChunks {
  readonly #file: FileHandle;
  readonly #name: string;
  readonly #most: number;
  readonly #blocks: SharedBlocks;
  #bytes: number = CHUNK_BYTES.least;
  #own = Buffer.alloc(0);

  /** `transfers`: so many there are, with this one */
  constructor(options: { file: FileHandle; sha256: string; transfers: number; blocks: SharedBlocks }) {
    this.#file = options.file;
    this.#name = options.sha256;
    this.#blocks = options.blocks;
    this.#most = largestChunk(options.transfers);
  }

  /** From `position`, not beyond `last`. Throws BH-E-BULK-GONE when the file has become shorter. */
  async at(position: number, last: number): Promise<Chunk> {
    const chunk = (await this.#shared(position)) ?? (await this.#private(position));
    const left = last - position + 1;
    if (chunk.bytes.length >= left) return { ...chunk, bytes: chunk.bytes.subarray(0, left) };
    if (chunk.bytes.length > 0) return chunk;
    chunk.release();
    throw new BackhaulError('BH-E-BULK-GONE', { detail: 'the file became shorter' });
  }

  /** The socket needed so many ms for the last one. */
  took(ms: number): void {
    if (ms < TAKEN_MS.fast) this.#bytes = Math.min(this.#most, this.#bytes * 2);
    else if (ms > TAKEN_MS.slow) this.#bytes = CHUNK_BYTES.least;
  }

  async #shared(position: number): Promise<Chunk | undefined> {
    if (this.#bytes < CHUNK_BYTES.most || position % CHUNK_BYTES.most !== 0) return undefined;
    const block = this.#blocks.take(`${this.#name}/${position}`, (buffer) => this.#read(buffer, position));
    if (block === undefined) return undefined;
    try {
      return { bytes: await block.bytes, release: block.release };
    } catch (error) {
      block.release();
      throw error;
    }
  }

  /** Up to where blocks begin that are shared. */
  async #private(position: number): Promise<Chunk> {
    const untilBlock = CHUNK_BYTES.most - (position % CHUNK_BYTES.most);
    const wanted = Math.min(this.#bytes, untilBlock);
    if (this.#own.length < wanted || this.#bytes < this.#own.length) this.#own = Buffer.allocUnsafeSlow(wanted);
    const length = await this.#read(this.#own.subarray(0, wanted), position);
    return { bytes: this.#own.subarray(0, length), release: () => {} };
  }

  async #read(buffer: Buffer, position: number): Promise<number> {
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, position);
    return bytesRead;
  }
}

/** For one of so many transfers: a power of two. */
function largestChunk(transfers: number): number {
  const { least, most, together } = CHUNK_BYTES;
  let bytes: number = least;
  while (bytes < most && bytes * 2 * transfers <= together) bytes *= 2;
  return bytes;
}
