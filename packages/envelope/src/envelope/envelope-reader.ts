import type { RawMessage } from '../message.ts';
import { boundaryOf } from '../mime/boundary.ts';
import { MessagePairs, pairLimit } from '../mime/message-pairs.ts';
import { PartScanner } from '../mime/part-scanner.ts';
import { checkSize } from './read-envelope.ts';

/** Reads an envelope while it comes in, in pieces of any size. After a refusal it must not be fed again. */
export class EnvelopeReader {
  readonly #scanner: PartScanner;
  readonly #pairs = new MessagePairs();
  #received = 0;

  /** Throws BH-E-MIME-TYPE, BH-E-MIME-BOUNDARY. */
  constructor(contentType: string | undefined) {
    this.#scanner = new PartScanner(boundaryOf(contentType), pairLimit);
  }

  /** The messages that are complete with this piece. Throws as `readEnvelope` does. */
  push(chunk: Buffer): RawMessage[] {
    checkSize((this.#received += chunk.length));
    this.#scanner.feed(chunk);
    const messages: RawMessage[] = [];
    for (let part = this.#scanner.next(); part !== undefined; part = this.#scanner.next()) {
      const message = this.#pairs.add(part);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  /** No more comes. Throws BH-E-MIME-TRUNCATED, BH-E-MIME-PART. */
  end(): void {
    this.#scanner.end();
    this.#pairs.end();
  }
}

/** The messages of a stream of pieces, one by one. Throws as `readEnvelope` does. */
export async function* readEnvelopeStream(
  contentType: string | undefined,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<RawMessage> {
  const reader = new EnvelopeReader(contentType);
  for await (const chunk of chunks) yield* reader.push(chunk);
  reader.end();
}
