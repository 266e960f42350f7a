import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { frame, unframe } from './framing.ts';

const KEY = 'tail.mark';
const BYTES = 16;

/**
 * The number of the last acknowledged commit, kept beside the database [R6]: LevelDB drops the end of a damaged log without a
 * word, and then its own counter is behind this file. Overwritten in place (no space needed) after the synced write and before the
 * answer; not synced itself. What stays open: after a power cut the mark may be as old as the kernel's write-back (about 30 s).
 */
export class TailMark {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The mark as it stands; 0 when there is none or it is torn. */
  open(): number {
    this.#file = openSync(this.#path, openFlags(this.#path), 0o600);
    const framed = Buffer.alloc(BYTES);
    const length = readSync(this.#file, framed, 0, BYTES, 0);
    return Number(length === BYTES ? (unframe(KEY, framed)?.readBigUInt64LE(0) ?? 0n) : 0n);
  }

  write(number: number): void {
    if (this.#file === undefined) return;
    const value = Buffer.allocUnsafe(8);
    value.writeBigUInt64LE(BigInt(number));
    writeSync(this.#file, frame(KEY, value), 0, BYTES, 0);
  }

  /** Writes, and returns the time the kernel gave to that, ns. */
  touch(number: number): bigint {
    this.write(number);
    return this.#file === undefined ? 0n : fstatSync(this.#file, { bigint: true }).mtimeNs;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function openFlags(path: string): string {
  try {
    closeSync(openSync(path, 'r'));
    return 'r+';
  } catch {
    return 'w+';
  }
}
