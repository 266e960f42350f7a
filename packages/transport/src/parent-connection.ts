import type { Readable } from 'node:stream';

export interface Parent {
  /** component id that its certificate must carry */
  readonly id: string;
  /** `https://host:port`; `http://…` only on a plain link */
  readonly url: string;
}

/**
 * How long each step towards a parent may take, ms. A connection stays open unused for a little less than the parent
 * lets it.
 */
export const LINK_TIMEOUTS = { connectMs: 10_000, answerMs: 30_000, idleMs: 30_000, keepAliveMs: 70_000 } as const;

export interface PostOptions {
  readonly signal: AbortSignal;
  /** until the answer begins; `LINK_TIMEOUTS.answerMs` when left out */
  readonly answerMs?: number;
  /** may be held: it has a connection of its own, lest it take the one that an alarm finds free */
  readonly isPoll?: boolean;
}

/** A 200, its body unpacked. */
export interface Answer {
  readonly body: Buffer;
  readonly contentType: string;
  readonly mailbox: string | undefined;
  /** what the parent's clock said (`Date`, whole seconds), wall ms */
  readonly date?: number | undefined;
}

export interface ArtifactAnswer {
  readonly statusCode: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Readable;
}

/** Bytes of an artifact, the first and the one after the last; to its end when that is left out. */
export interface ArtifactSpan {
  readonly from: number;
  readonly to?: number | undefined;
}

/** One parent, and the way to it: HTTP over TLS (`ParentLink`), or a simulated network. Nothing is retried here. */
export interface ParentConnection {
  readonly parent: Parent;
  /** encodings that the parent said it takes */
  readonly accepts: string | undefined;
  /** the first exchange with it is over: set by the poller */
  greeted: boolean;
  /** connections for envelopes that are open; undefined when that is not known */
  readonly connected?: number | undefined;
  /** One exchange. Throws the coded refusal of the parent, or BH-E-PARENT-UNREACHABLE, BH-E-ID-PARENT. */
  post(body: Buffer, headers: Record<string, string>, options: PostOptions): Promise<Answer>;
  /** Bytes of an artifact; the caller reads or destroys the body. Throws like `post`, BH-E-BULK-GONE too. */
  artifact(sha256: string, span: ArtifactSpan, signal: AbortSignal): Promise<ArtifactAnswer>;
  close(): Promise<void>;
}
