/** The one table of limits that code, documentation and tests share [DESIGN §3]. A breach is a coded refusal, never a crash. */
export const LIMITS = {
  /** messages in one envelope */
  messages: 256,
  /** bytes of one header part */
  headerBytes: 16 * 1024,
  /** bytes of one body part; more is bulk */
  bodyBytes: 1024 * 1024,
  /** bytes of one envelope on the wire and after decompression */
  envelopeBytes: 16 * 1024 * 1024,
  /** bytes of back-channel messages in one reply */
  replyBytes: 4 * 1024 * 1024,
  /** bytes of the response part of a reply: 256 refusals with their sentences, and marks */
  responseBytes: 512 * 1024,
  /** nested elements */
  depth: 32,
  /** attributes of one element */
  attributes: 64,
  /** bytes of an element or attribute name */
  nameBytes: 256,
  /** bytes of the MIME header block of one part */
  partHeaderBytes: 1024,
  /** destinations in one list */
  destinations: 1024,
  /** hops a message may pass */
  hops: 16,
  /** envelopes in flight on one link, all lanes together */
  window: 8,
} as const;

export type LimitName = keyof typeof LIMITS;
