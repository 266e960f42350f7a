import { isThinRate } from './link-rate.ts';

/** The first piece, and the smallest: two seconds of a line of 128 kbit/s. */
const LEAST_BYTES = 32 * 1024;
const PIECE_MS = 2_000;

/**
 * How much of an artifact is asked for at once on a line that is held to be thin: two seconds of it, by how fast the last piece
 * came. A piece that comes faster than a thin line could bring it shows that the line is not thin: then the rest is asked for at once.
 */
export class ArtifactPieces {
  #bytes = LEAST_BYTES;
  #isFast = false;

  /** Bytes to ask for next; undefined: all that is missing. */
  next(isThin: boolean): number | undefined {
    return isThin && !this.#isFast ? this.#bytes : undefined;
  }

  came(bytes: number, ms: number): void {
    const bytesPerSecond = (bytes * 1000) / Math.max(1, ms);
    this.#isFast = !isThinRate(bytesPerSecond);
    this.#bytes = Math.max(LEAST_BYTES, Math.round((bytesPerSecond * PIECE_MS) / 1000));
  }
}
