import type { EnvelopeResponse, Mark, Message, Verdict } from '@backhaul/envelope';
import type { Identity } from '@backhaul/identity';
import type { MailboxReader } from '@backhaul/spool';

/** Who is at the other end of a request: from the TLS connection, or from a header that only our own balancer can set. */
export interface Peer {
  readonly identity: Identity;
  readonly address: string;
}

/** A published artifact, ready to be served with Range. */
export interface ArtifactFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** What a role does with what arrives from below. */
export interface RelayHandler {
  /** Called for every request, on open connections too. Throws BH-E-ID-UNKNOWN, BH-E-ID-REVOKED, BH-E-ID-KIND. */
  admit(peer: Peer): void;
  /**
   * Takes the messages of one envelope; called in link order. Resolves after everything accepted is durable (or has been
   * accepted further up), with one verdict per message in the order given. Throws for "nothing now" (503 with a wait).
   * The next envelope is given before that: what is accepted must have been submitted, in its order, when this returns its promise.
   */
  accept(peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]>;
  /** Told when two live components are found to speak with one identity, once; for staff. */
  twice?(peer: Peer, what: 'clone' | 'two-pollers'): void;
  readonly mailboxes: MailboxReader;
  /** What this hop holds of the peer's own lanes, told in the first exchange. */
  marks(peer: Peer): readonly Mark[];
  /** Throws BH-E-BULK-GONE. */
  artifact(peer: Peer, sha256: string): Promise<ArtifactFile>;
  /** Told after bytes of an artifact were handed out, complete or not. */
  artifactServed?(peer: Peer, sha256: string, bytes: number, complete: boolean): void;
}

/** What a component does with what its parent sends down. */
export interface DownwardHandler {
  /** Resolves after everything is durable here; only then is it acknowledged to the parent [B2]. */
  receive(messages: readonly Message[], mailbox: { epoch: string; through: number }): Promise<void>;
  /** What was durably received last: `{epoch: '0', through: 0}` when nothing yet. */
  acknowledged(): { epoch: string; through: number };
}

export type { EnvelopeResponse };
