import { closeSync, existsSync, fdatasync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '@backhaul/runtime';
import { frame, unframe } from './framing.ts';

const KEY = 'tail.mark';
const BYTES = 16;
/** Even and odd numbers have a sector each: a write that is torn leaves the mark before it. */
const SLOT_BYTES = 512;
/** How long a mark may lie in the kernel's cache. */
const SYNC_AFTER_MS = 1_000;

const sync = promisify(fdatasync);

/**
 * The number of the last acknowledged commit, kept beside the database [R6]: LevelDB drops the end of a cut log without a word, and then
 * its own counter is behind this file. Overwritten in place (no space needed) after the synced write and before the answer; synced
 * itself a second later, not with each commit, which would take half of the throughput and more (`npm run bench -- guards`). What stays open: a log
 * that loses its end in the same second in which the power goes, on a disk that does not keep what it synced.
 */
export class TailMark {
  readonly #path: string;
  readonly #clock: Clock;
  #file: number | undefined;
  #written = 0;
  #syncing: Promise<void> | undefined;
  #closing = new AbortController();

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** The mark as it stands; undefined when there is none or it is damaged. The file is there afterwards, its name still to be synced. */
  open(): number | undefined {
    this.#closing = new AbortController();
    this.#file = openSync(this.#path, existsSync(this.#path) ? 'r+' : 'w+', 0o600);
    const marks = [0, 1].map((slot) => this.#read(slot)).filter((mark) => mark !== undefined);
    return marks.length === 0 ? undefined : Math.max(...marks);
  }

  write(number: number): void {
    if (this.#file === undefined) return;
    const value = Buffer.allocUnsafe(8);
    value.writeBigUInt64LE(BigInt(number));
    writeSync(this.#file, frame(KEY, value), 0, BYTES, (number % 2) * SLOT_BYTES);
    this.#written += 1;
    this.#syncing ??= this.#syncLater();
  }

  /** Writes and syncs: for the rare cases in which the mark did not go up by one. */
  writeNow(number: number): void {
    if (this.#file === undefined) return;
    this.write(number);
    fsyncSync(this.#file);
  }

  /** Writes, and returns the time the kernel gave to that, ns. */
  touch(number: number): bigint {
    this.write(number);
    return this.#file === undefined ? 0n : fstatSync(this.#file, { bigint: true }).mtimeNs;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#syncing;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #read(slot: number): number | undefined {
    const framed = Buffer.alloc(BYTES);
    const length = readSync(this.#file!, framed, 0, BYTES, slot * SLOT_BYTES);
    const value = length === BYTES ? unframe(KEY, framed) : undefined;
    return value === undefined ? undefined : Number(value.readBigUInt64LE(0));
  }

  /** One at a time. What is written meanwhile is synced with the next. A sync that fails leaves the mark where it was: it is older. */
  async #syncLater(): Promise<void> {
    for (let synced = -1; synced < this.#written && this.#file !== undefined; ) {
      await this.#clock.sleep(SYNC_AFTER_MS, this.#closing.signal);
      synced = this.#written;
      await sync(this.#file).catch(() => undefined);
    }
    this.#syncing = undefined;
  }
}
