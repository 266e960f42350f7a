import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { RawMessage } from '../message.ts';
import type { Part, PartLimit } from './part-scanner.ts';

const PAIR_ID = /^(?:header|body)\.[0-9a-hjkmnp-tv-z]{26}$/;
const HEADER = 'header.';
const BODY = 'body.';
const HEADER_LIMIT = { bytes: LIMITS.headerBytes, code: 'BH-E-LIMIT-HEADER' } as const;
const BODY_LIMIT = { bytes: LIMITS.bodyBytes, code: 'BH-E-LIMIT-BODY' } as const;

/** Header and body parts of messages. Throws BH-E-MIME-PART for any other Content-ID. */
export const pairLimit: PartLimit = (contentId) => {
  if (!PAIR_ID.test(contentId)) return refuse(`Content-ID <${contentId.slice(0, 64)}>`);
  return contentId.startsWith(HEADER) ? HEADER_LIMIT : BODY_LIMIT;
};

function refuse(detail: string): never {
  throw new BackhaulError('BH-E-MIME-PART', { detail });
}

/** Of parts that `pairLimit` has let pass: every `<header.ID>` is followed at once by its `<body.ID>`; an ID stands once [E3]. */
export class MessagePairs {
  readonly #ids = new Set<string>();
  #header: { readonly id: string; readonly bytes: Buffer } | undefined;

  /** Gives the message when `part` completes one. Throws BH-E-MIME-PART, BH-E-LIMIT-MESSAGES. */
  add(part: Part): RawMessage | undefined {
    if (part.contentId.startsWith(HEADER)) {
      this.#open(part.contentId.slice(HEADER.length), part.content);
      return undefined;
    }
    const id = part.contentId.slice(BODY.length);
    const header = this.#header;
    if (header?.id !== id) return refuse(`<body.${id}> does not follow its header`);
    this.#header = undefined;
    return { id, headerBytes: header.bytes, body: part.content };
  }

  #open(id: string, bytes: Buffer): void {
    if (this.#header !== undefined) refuse(`<header.${this.#header.id}> has no body`);
    if (this.#ids.has(id)) refuse(`<header.${id}> stands twice`);
    this.#ids.add(id);
    if (this.#ids.size > LIMITS.messages) throw new BackhaulError('BH-E-LIMIT-MESSAGES');
    this.#header = { id, bytes };
  }

  /** Throws BH-E-MIME-PART when a header has no body. */
  end(): void {
    if (this.#header !== undefined) refuse(`<header.${this.#header.id}> has no body`);
  }
}
