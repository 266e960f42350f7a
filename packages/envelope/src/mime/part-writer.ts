/** Bodies from this size on are handed out as they are; smaller ones are copied together, which is cheaper than many small writes. */
const COPY_BELOW = 64 * 1024;

/** Collects parts of a `multipart/related` body and gives them out in as few pieces as make sense. */
export class PartWriter {
  readonly #boundary: string;
  readonly #chunks: Buffer[] = [];
  #pending: (string | Uint8Array)[] = [];
  #pendingBytes = 0;
  #first = true;

  constructor(boundary: string) {
    this.#boundary = boundary;
  }

  add(contentId: string, content: Uint8Array): void {
    this.#text(
      `${this.#first ? '' : '\r\n'}--${this.#boundary}\r\nContent-ID: <${contentId}>\r\nContent-Type: application/xml\r\nContent-Length: ${content.length}\r\n\r\n`,
    );
    this.#first = false;
    this.#bytes(content);
  }

  /** Ends the body. Nothing may be added after it. */
  end(): Buffer[] {
    this.#text(`${this.#first ? '' : '\r\n'}--${this.#boundary}--\r\n`);
    this.#flush();
    return this.#chunks;
  }

  /** ASCII only */
  #text(text: string): void {
    this.#pending.push(text);
    this.#pendingBytes += text.length;
  }

  #bytes(bytes: Uint8Array): void {
    if (bytes.length < COPY_BELOW) {
      this.#pending.push(bytes);
      this.#pendingBytes += bytes.length;
      return;
    }
    this.#flush();
    this.#chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  #flush(): void {
    const chunk = Buffer.allocUnsafe(this.#pendingBytes);
    let at = 0;
    for (const piece of this.#pending) {
      if (typeof piece === 'string') at += chunk.write(piece, at, 'latin1');
      else {
        chunk.set(piece, at);
        at += piece.length;
      }
    }
    this.#chunks.push(chunk);
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
