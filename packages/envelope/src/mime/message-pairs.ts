import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { RawMessage } from '../message.ts';
import type { Part, PartLimit } from './part-scanner.ts';

const PAIR_ID = /^(header|body)\.([0-9a-hjkmnp-tv-z]{26})$/;

/** Header and body parts of messages. Throws BH-E-MIME-PART for any other Content-ID. */
export const pairLimit: PartLimit = (contentId) =>
  kindOf(contentId)[0] === 'header'
    ? { bytes: LIMITS.headerBytes, code: 'BH-E-LIMIT-HEADER' }
    : { bytes: LIMITS.bodyBytes, code: 'BH-E-LIMIT-BODY' };

function kindOf(contentId: string): readonly [kind: string, id: string] {
  const match = PAIR_ID.exec(contentId);
  if (match === null) return refuse(`Content-ID <${contentId.slice(0, 64)}>`);
  return [match[1] as string, match[2] as string];
}

function refuse(detail: string): never {
  throw new BackhaulError('BH-E-MIME-PART', { detail });
}

/** Every `<header.ID>` is followed at once by its `<body.ID>`; an ID stands once [E3]. */
export class MessagePairs {
  readonly #ids = new Set<string>();
  #header: { readonly id: string; readonly bytes: Buffer } | undefined;

  /** Gives the message when `part` completes one. Throws BH-E-MIME-PART, BH-E-LIMIT-MESSAGES. */
  add(part: Part): RawMessage | undefined {
    const [kind, id] = kindOf(part.contentId);
    if (kind === 'header') {
      this.#open(id, part.content);
      return undefined;
    }
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
