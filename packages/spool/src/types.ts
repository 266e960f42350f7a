import type { Change } from './store.ts';

/** 0 first … 8 last */
export type Lane = number;

/** One message in the spool. Header and body are opaque bytes here. */
export interface SpoolEntry {
  readonly id: string;
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly sequence: number;
  readonly class: string;
  readonly subclass: string;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** wall ms at this component */
  readonly receivedAt: number;
  /** wall ms at this component, from the time left on arrival */
  readonly expiresAt?: number;
  readonly persistent: boolean;
  /** direct child it came through; absent: made here */
  readonly via?: string;
  /** a newer entry of the same source, lane and key replaces this one while it is not in flight */
  readonly supersedeKey?: string;
}

/** What was taken for sending: entries of one lane, in sequence order. Ended by `settle` or `release`, never by sending. */
export interface Claim {
  readonly lane: Lane;
  readonly entries: readonly SpoolEntry[];
  readonly bytes: number;
}

/** What the other side said of one claimed entry. */
export type Settlement =
  | { readonly outcome: 'accepted' }
  /** final refusal: it becomes a dead letter, with a receipt in its place */
  | { readonly outcome: 'refused'; readonly code: string; readonly detail?: string }
  | { readonly outcome: 'retry'; readonly notBefore: number };

/** What a receipt and a notice say of an entry; the header tells support instance and event key. */
export type RemovedEntry = Pick<
  SpoolEntry,
  'id' | 'source' | 'epoch' | 'lane' | 'sequence' | 'class' | 'subclass' | 'via' | 'header'
>;

/** An entry that left without having been delivered; the caller turns it into a receipt in the same commit. */
export interface Removed {
  readonly entry: RemovedEntry;
  readonly reason: 'expired' | 'evicted' | 'superseded' | 'dead-letter' | 'revoked';
  readonly code?: string;
  readonly detail?: string;
}

export interface SpoolDepth {
  readonly messages: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** wall ms, undefined when empty */
  readonly oldestAt?: number;
  /** wall ms of the next retry, when everything waits */
  readonly nextRetryAt?: number;
  readonly byLane: Readonly<Record<number, { messages: number; bytes: number }>>;
  readonly deadLetters: number;
  /** since the start: the oldest dead letters make room for new ones */
  readonly deadLettersDiscarded: number;
}

/** Since when the oldest of each is under way, monotonic ms; undefined when nothing is. */
export interface SpoolUnderWay {
  /** claims that have not ended; one that is settled ends when that is on disk */
  readonly claimedSince: number | undefined;
  /** what was submitted and is not on disk */
  readonly unwrittenSince: number | undefined;
}

export interface LoadReport {
  readonly records: number;
  readonly messages: number;
  /** keys missing or failing their checksum; reported loudly, never swallowed [S7] */
  readonly gaps: readonly string[];
  readonly damaged: readonly string[];
}

/** Sequences of one source, epoch and lane that this spool still holds; fewer `messages` than to − from + 1: with holes. */
export interface HoldingsRange {
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
  readonly messages: number;
}

export interface Holdings {
  readonly ranges: readonly HoldingsRange[];
  /** there were more than the limit: some streams are missing */
  readonly truncated: boolean;
}

/** A message that was given up, kept for people to look at. */
export interface DeadLetter {
  readonly number: number;
  readonly entry: SpoolEntry;
  readonly code: string;
  readonly detail?: string;
  /** wall ms of the refusal */
  readonly at: number;
}

/** Entries to be written, and what had to leave to make room for them; the caller adds the receipts to the same commit. */
export interface StagedEntries extends Change {
  readonly removed: readonly Removed[];
}

/** What one claim may hold: at least one message, whatever its size. */
export interface ClaimBudget {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** of no lane after this one; of every lane when left out */
  readonly lastLane?: Lane;
}

/** The durable queue towards the parent. */
export interface Spool {
  load(): Promise<LoadReport>;
  /**
   * Throws BH-E-SPOOL-FULL, or BH-E-QUOTA for a child's share, before anything is accepted. Entries may be of several lanes. An
   * older entry with the same supersede key leaves in this commit. `receipts` says that the entries tell what was removed: they
   * may pass the limits by a sixteenth, and what is kept of a short disk, so that an account can always be given.
   * `inPlace` says that each stands in the place of one that leaves in the same commit: they need no room, and nobody goes for them.
   */
  stage(entries: readonly SpoolEntry[], options?: { receipts?: boolean; inPlace?: boolean }): StagedEntries;
  /** Lanes 0 to 3 strictly first, then the others by lane and age; within a lane by place [S3]. Undefined when nothing may be sent now. */
  claim(budget: ClaimBudget): Promise<Claim | undefined>;
  /**
   * What is held of some sources and epochs, whatever it waits for, unless it is in flight or past its time: to give it another
   * place. Nothing else is touched, nor read.
   */
  claimOf(
    isWanted: (of: Pick<SpoolEntry, 'source' | 'epoch'>) => boolean,
    budget: { maxMessages: number; maxBytes: number },
  ): Promise<Claim | undefined>;
  /**
   * One settlement per entry of the claim, in order. What is removed without delivery is returned for its receipts. The claim ends
   * with the submission of the change: whoever could not commit it calls `release`, which does nothing to a claim that has ended.
   */
  settle(claim: Claim, settlements: readonly Settlement[]): { change: Change; removed: readonly Removed[] };
  /** Not sent, or no answer: claimable again, in its old place. */
  release(claim: Claim, notBefore?: number): void;
  /** What is past its time and not in flight, up to about a thousand at a time; call again while it removes some. */
  expire(now: number): { change: Change; removed: readonly Removed[] };
  depth(): SpoolDepth;
  /** Messages that are not in flight; of what `depth` tells the one number that is wanted often. */
  unsent(): number;
  /** For a watchdog: what is under way for too long was forgotten by somebody, and comes back when everything is loaded again. */
  underWay(): SpoolUnderWay;
  /** What came through one direct child. */
  usage(via: string): { readonly messages: number; readonly bytes: number };
  /** Sequences of the entries that an entry of this source, lane and key would replace now. */
  replaceable(of: Pick<SpoolEntry, 'source' | 'lane' | 'supersedeKey'>): readonly number[];
  /** What is held, in flight or not, as at most `limit` ranges. */
  holdings(limit: number): Holdings;
  /**
   * What the parent's clock says, wall ms, as often as it is heard. The first time after a start it corrects how long this
   * component believes to have been off; until then, a minute at most, nothing that was held before is expired.
   */
  noteParentTime(parentNow: number): void;
  /** Oldest first; `after` is a dead letter's number, exclusive. */
  deadLetters(options?: { after?: number; limit?: number }): Promise<readonly DeadLetter[]>;
  deadLetter(number: number): Promise<DeadLetter | undefined>;
  /** For what is given up before it was spooled; at the bound the oldest dead letter is discarded. */
  addDeadLetter(entry: SpoolEntry, code: string, detail?: string): Change;
  /** Changes nothing when there is no such letter. */
  removeDeadLetter(number: number): Change;
  /** Resolves when a claim up to this lane may succeed, or when the signal aborts. */
  ready(signal: AbortSignal, lastLane?: Lane): Promise<void>;
}

/** The component's own place in the order of things: epoch, and the next sequence of each lane. */
export interface Numbering {
  load(): Promise<void>;
  readonly epoch: string;
  /**
   * Reserves `count` sequences of a lane until the end of this tick: they are given back when the change is not committed
   * by then (an await in between throws BH-E-INTERNAL at the commit), so that sequences have no holes.
   */
  stage(lane: Lane, count: number): { first: number; change: Change };
  /** highest sequence given so far in a lane, 0 when none */
  last(lane: Lane): number;
  /** A new epoch, after a restored copy showed itself; sequences begin at 1 again. */
  renew(): Change;
}

/** What has been received, per (source, epoch, lane), as intervals; written in the same commit as the effect [DESIGN §4.3]. */
export interface Seen {
  load(): Promise<void>;
  has(source: string, epoch: string, lane: Lane, sequence: number): boolean;
  /**
   * False when the interval bound is reached and this is not the lowest missing sequence, when the epoch is closed, and for a new
   * epoch when there are too many.
   */
  hasRoom(source: string, epoch: string, lane: Lane, sequence: number): boolean;
  stage(marks: readonly { source: string; epoch: string; lane: Lane; from: number; to: number }[]): Change;
  /** the epoch of a source that appeared here last; undefined when nothing has come from it */
  newestEpoch(source: string): string | undefined;
  /** per lane of every epoch of a source, in order of appearance: `through` is the highest sequence that has been seen, whatever is missing below */
  marks(source: string): readonly { source: string; epoch: string; lane: Lane; through: number }[];
}

export interface MailboxMessage {
  readonly id: string;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** wall ms at this component */
  readonly receivedAt: number;
  readonly expiresAt?: number;
}

export interface MailboxPage {
  readonly epoch: string;
  /** number of the last message in the page (or the acknowledged one when the page is empty) */
  readonly through: number;
  readonly messages: readonly (MailboxMessage & { readonly number: number })[];
}

/** The reading side, which a listener serves: same interface over LevelDB (MLM) and SQL (application server). */
export interface MailboxReader {
  /** Removes what the owner has. Throws BH-E-ACK for another epoch or a number never sent; a fresh owner says `0:0`. */
  acknowledge(owner: string, epoch: string, number: number): Promise<void>;
  read(owner: string, budget: { maxMessages: number; maxBytes: number }): Promise<MailboxPage>;
  /** Resolves true when the owner's mailbox holds something, false after `waitMs` or when the signal aborts. */
  wait(owner: string, waitMs: number, signal: AbortSignal): Promise<boolean>;
}

/** Back-channel queues of the children, one shared copy of each message [S5, B1]. */
export interface Mailboxes extends MailboxReader {
  load(): Promise<LoadReport>;
  /** One copy of the message, one reference per owner, in one change. Throws BH-E-SPOOL-FULL past an owner's quota. */
  stagePut(owners: readonly string[], message: MailboxMessage): Change;
  stageRevoke(messageId: string): Change;
  /** As with a spool: corrects, once after a start, how long this component believes to have been off. */
  noteParentTime(parentNow: number): void;
  /** Removed references, so that outcomes can be told. */
  expire(now: number): { change: Change; removed: readonly { owner: string; id: string }[] };
  depth(owner: string): { messages: number; bytes: number; oldestAt?: number };
}
