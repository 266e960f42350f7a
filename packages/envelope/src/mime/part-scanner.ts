import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { type PartHeaders, readPartHeaders } from './part-headers.ts';

export interface Part {
  readonly contentId: string;
  /** a view of what was fed, not a copy */
  readonly content: Buffer;
}

/** The most bytes a part may have, and the code of the refusal, by its Content-ID. Throws BH-E-MIME-PART for an unknown one. */
export type PartLimit = (contentId: string) => { readonly bytes: number; readonly code: ErrorCode };

type State = 'start' | 'delimiter' | 'headers' | 'content' | 'epilogue';

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;
const CRLF_CRLF = Buffer.from('\r\n\r\n');

/**
 * Cuts a `multipart/related` body into parts. States:
 *
 *   start ─'--B'─► delimiter ─CRLF─► headers ─blank line─► content ─'CRLF--B'─► delimiter ─'--'─► epilogue ─end()─► done
 *
 * Nothing but one CRLF may follow the closing delimiter, nothing may precede the first one, lines end in CRLF only. A part with
 * a Content-Length ends there and the delimiter must follow; without one its end is searched for. Every wrong byte is refused where
 * it stands; end() in any state but epilogue is BH-E-MIME-TRUNCATED. After a refusal or end() it must not be used again.
 * Fed bytes are looked at once, however small the pieces are: `#searched` is where the search for an end goes on.
 */
export class PartScanner {
  readonly #delimiter: Buffer;
  readonly #limit: PartLimit;
  #buffer: Buffer;
  /** end of what was fed */
  #end: number;
  #at = 0;
  #searched = 0;
  #state: State = 'start';
  #headers: PartHeaders | undefined;
  #partLimit = { bytes: 0, code: 'BH-E-LIMIT-BODY' as ErrorCode };

  constructor(boundary: string, limit: PartLimit, whole: Buffer = Buffer.alloc(0)) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    this.#limit = limit;
    this.#buffer = whole;
    this.#end = whole.length;
  }

  /** Adds bytes. Parts already given out stay untouched: a full buffer is left to them and a new one begun. */
  feed(chunk: Buffer): void {
    const rest = this.#end - this.#at;
    if (rest === 0) {
      this.#take(chunk, chunk.length, 0);
      return;
    }
    if (this.#end + chunk.length > this.#buffer.length) {
      const room = Buffer.allocUnsafe(Math.max(4096, 2 * (rest + chunk.length)));
      this.#buffer.copy(room, 0, this.#at, this.#end);
      this.#take(room, rest, this.#searched - this.#at);
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  #take(buffer: Buffer, end: number, searched: number): void {
    this.#buffer = buffer;
    this.#end = end;
    this.#at = 0;
    this.#searched = searched;
  }

  /** The next part that is complete, or nothing: more is needed, or all were given. Throws BH-E-MIME-*, BH-E-LIMIT-*. */
  next(): Part | undefined {
    for (;;) {
      switch (this.#state) {
        case 'start':
          if (!this.#readStart()) return undefined;
          break;
        case 'delimiter':
          if (!this.#readDelimiterEnd()) return undefined;
          break;
        case 'headers':
          if (!this.#readHeaders()) return undefined;
          break;
        case 'content': {
          const content = this.#readContent();
          if (content === undefined) return undefined;
          return { contentId: this.#headers!.contentId, content };
        }
        case 'epilogue':
          this.#checkEpilogue();
          return undefined;
      }
    }
  }

  /** No more bytes come. Throws BH-E-MIME-TRUNCATED unless the closing delimiter was seen. */
  end(): void {
    const rest = this.#end - this.#at;
    if (this.#state !== 'epilogue' || rest === 1)
      throw new BackhaulError('BH-E-MIME-TRUNCATED', { detail: `in the state ${this.#state}` });
  }

  /** `--B` without the CRLF in front of it */
  #readStart(): boolean {
    const length = this.#delimiter.length - 2;
    const available = Math.min(length, this.#end - this.#at);
    if (this.#buffer.compare(this.#delimiter, 2, 2 + available, this.#at, this.#at + available) !== 0)
      refuse('the body does not begin with its boundary');
    if (available < length) return false;
    this.#move(this.#at + length, 'delimiter');
    return true;
  }

  /** After `--B`: CRLF and another part, or `--` and the end. */
  #readDelimiterEnd(): boolean {
    const rest = this.#end - this.#at;
    if (rest === 0) return false;
    const first = this.#buffer[this.#at];
    if (first !== CR && first !== DASH) refuse('a boundary is followed by neither CRLF nor --');
    if (rest === 1) return false;
    const second = this.#buffer[this.#at + 1];
    if (second !== (first === CR ? LF : DASH)) refuse('a boundary is followed by neither CRLF nor --');
    this.#move(this.#at + 2, first === CR ? 'headers' : 'epilogue');
    return true;
  }

  #readHeaders(): boolean {
    const found = this.#search(CRLF_CRLF);
    const length = (found ?? this.#end) - this.#at;
    if (length > LIMITS.partHeaderBytes)
      throw new BackhaulError('BH-E-MIME-HEADER', { detail: `longer than ${LIMITS.partHeaderBytes} bytes` });
    if (found === undefined) return false;
    this.#headers = readPartHeaders(this.#buffer.toString('latin1', this.#at, found));
    this.#partLimit = this.#limit(this.#headers.contentId);
    this.#checkLength(this.#headers.contentLength ?? 0);
    this.#move(found + CRLF_CRLF.length, 'content');
    return true;
  }

  #readContent(): Buffer | undefined {
    const length = this.#headers!.contentLength;
    const end = length === undefined ? this.#searchDelimiter() : this.#skip(length);
    if (end === undefined) return undefined;
    const content = this.#buffer.subarray(this.#at, end);
    this.#move(end + this.#delimiter.length, 'delimiter');
    return content;
  }

  /** The end that the Content-Length says; a delimiter must stand there. */
  #skip(length: number): number | undefined {
    const end = this.#at + length;
    if (this.#end < end + this.#delimiter.length) return undefined;
    if (this.#buffer.compare(this.#delimiter, 0, this.#delimiter.length, end, end + this.#delimiter.length) !== 0)
      refuse('no boundary where the Content-Length of a part ends');
    return end;
  }

  /** A delimiter is CRLF, `--B` and then CRLF or `--`; a longer boundary that begins the same is content. */
  #searchDelimiter(): number | undefined {
    for (;;) {
      const found = this.#search(this.#delimiter);
      this.#checkLength((found ?? this.#searched) - this.#at);
      if (found === undefined) return undefined;
      const after = found + this.#delimiter.length;
      if (this.#end < after + 2) return undefined;
      const [first, second] = [this.#buffer[after], this.#buffer[after + 1]];
      if ((first === CR && second === LF) || (first === DASH && second === DASH)) return found;
      this.#searched = found + 1;
    }
  }

  #checkLength(length: number): void {
    const { bytes, code } = this.#partLimit;
    if (length > bytes) throw new BackhaulError(code, { detail: `more than ${bytes} bytes` });
  }

  /** Looks for `what` from where the last search ended; leaves `#searched` where the next must begin. */
  #search(what: Buffer): number | undefined {
    const fed = this.#end === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#end);
    const found = fed.indexOf(what, Math.max(this.#searched, this.#at));
    if (found >= 0) {
      this.#searched = found;
      return found;
    }
    this.#searched = Math.max(this.#at, this.#searched, this.#end - what.length + 1);
    return undefined;
  }

  #checkEpilogue(): void {
    const rest = this.#end - this.#at;
    if (rest > 2 || (rest > 0 && this.#buffer[this.#at] !== CR) || (rest > 1 && this.#buffer[this.#at + 1] !== LF))
      refuse('something follows the closing boundary');
  }

  #move(at: number, state: State): void {
    this.#at = at;
    this.#searched = at;
    this.#state = state;
  }
}

function refuse(detail: string): never {
  throw new BackhaulError('BH-E-MIME-FORM', { detail });
}
