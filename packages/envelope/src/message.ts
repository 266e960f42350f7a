/** The words of the wire as types [DESIGN §3]. Nothing here touches the network or the disk. */

export const WIRE_VERSION = '1.0';

/** A lane is a precedence; the odd numbers are for those who need them. */
export type Lane = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
export const LANES = { emergency: 0, urgent: 2, normal: 4, low: 6, bulk: 8 } as const;

export const CLASSIFICATIONS = [
  'data-collection',
  'monitoring',
  'remote-access',
  'infrastructure-administration',
] as const;
export type Classification = (typeof CLASSIFICATIONS)[number];

export const CONTENT_TYPES = [
  'alarm',
  'event',
  'messageResponse',
  'bulkDataRequest',
  'bulkDataResponse',
  'data',
] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

/** What names a message everywhere: sequences in a lane of one epoch have no holes [DESIGN §4]. */
export interface MessageIdentity {
  /** the component whose store gave the message its place: proxy, MLM or application server */
  readonly source: string;
  /** 16 hex digits, new when the source's store is created or restored */
  readonly epoch: string;
  readonly lane: Lane;
  /** from 1 */
  readonly sequence: number;
}

export type Destination =
  | { readonly kind: 'component'; readonly id: string }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'list'; readonly ids: readonly string[] };

/** One element per hop; the `out` of the first is the time sent. Appended by splicing, never rewritten. */
export interface Hop {
  readonly id: string;
  /** ms since 1970, this hop's clock */
  readonly in: number;
  readonly out: number;
  /** ms left until expiry when the message left this hop: what counts, clocks may be wrong */
  readonly left?: number;
}

export interface Header extends MessageIdentity {
  /** given once, at the origin [E1]; 26 characters */
  readonly id: string;
  /** wire version */
  readonly version: string;
  /** `source`: upward; `destination`: downward */
  readonly locator: 'source' | 'destination';
  /** software version of the source component */
  readonly sourceVersion: string;
  /** the support instance it is about */
  readonly instance?: string;
  /** what kind of platform it came from: `host`, `snmp` … */
  readonly sourceType?: string;
  /** names the event itself, whichever proxy it came through: `<platform>/<management id>/<event id>` */
  readonly eventKey?: string;
  /** message it answers (commands), as in a message response */
  readonly inReplyTo?: string;
  readonly classification: Classification;
  readonly class: string;
  readonly subclass: string;
  readonly contentType: ContentType;
  /** ms since 1970 at the origin */
  readonly madeAt: number;
  readonly qos: {
    /** equals the lane */
    readonly precedence: Lane;
    /** ms since 1970 by the origin's clock */
    readonly expiresAt?: number;
    /** ms the message had to live when it was made */
    readonly timeToLive?: number;
    /** keep it in a full queue at the expense of others of equal precedence and expiry */
    readonly persistent: boolean;
    /** a newer message of the same source, lane and key replaces this one while it waits to be sent; 1 to 64 characters */
    readonly supersedeKey?: string;
  };
  /** downward messages only */
  readonly destination?: Destination;
  /** W3C trace context */
  readonly traceparent?: string;
  readonly routing: readonly Hop[];
}

/** A message as it lies in an envelope: the header is read, the body is bytes that nobody parses unasked [E5]. */
export interface Message {
  readonly header: Header;
  /** the header part exactly as received, own routing element not yet appended */
  readonly headerBytes: Uint8Array;
  readonly body: Uint8Array;
}

/** A message as two parts, header not read. */
export interface RawMessage {
  /** from `Content-ID: <header.ID>` */
  readonly id: string;
  readonly headerBytes: Uint8Array;
  readonly body: Uint8Array;
}

export const SEVERITIES = ['critical', 'major', 'minor', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];
/** `unavailable`: the source cannot tell (and says why), which is not the same as all is well. */
export const ALARM_STATES = ['open', 'acknowledged', 'clear', 'unavailable'] as const;
export type AlarmState = (typeof ALARM_STATES)[number];

/** Integrator- or class-specific content inside an element: text of a MIME type; binary is base64. */
export interface DataElement {
  readonly mimeType: string;
  readonly encoding: 'none' | 'base64';
  /** as text; for `base64` the encoded form */
  readonly text: string;
}

export interface Alarm {
  readonly type: 'alarm';
  /** names the condition, so that open and clear meet: `filesystem:/var` */
  readonly alarmId: string;
  readonly severity: Severity;
  readonly state: AlarmState;
  readonly instance: string;
  readonly occurredAt: number;
  /** component of the instance: `disk0`, `/var`, `ssh.service` */
  readonly location?: string;
  readonly text: string;
  readonly data?: DataElement;
}

/** A change of state, without a state of its own. */
export interface EventContent {
  readonly type: 'event';
  readonly eventId: string;
  readonly severity: Severity;
  readonly instance: string;
  readonly occurredAt: number;
  readonly location?: string;
  readonly text: string;
  readonly data?: DataElement;
}

export interface MessageResponse {
  readonly type: 'messageResponse';
  /** id of the message answered */
  readonly request: string;
  readonly status: 'accepted' | 'done' | 'refused' | 'failed' | 'expired';
  readonly code?: string;
  readonly retryable?: boolean;
  readonly waitMs?: number;
  /** for people */
  readonly text: string;
  readonly data?: DataElement;
}

export interface BulkDataRequest {
  readonly type: 'bulkDataRequest';
  /** 64 hex digits */
  readonly sha256: string;
  /** bytes */
  readonly size: number;
  readonly class: string;
  readonly subclass: string;
  readonly name: string;
  readonly artifactVersion: string;
  /** path relative to the hop that serves it (down) or to the granted origin (up); nobody connects anywhere else */
  readonly location: string;
  /** signed manifest and other things the receiver judges by */
  readonly data?: DataElement;
}

export interface BulkDataResponse {
  readonly type: 'bulkDataResponse';
  /** id of the request */
  readonly request: string;
  readonly status: 'granted' | 'refused';
  readonly code?: string;
  readonly waitMs?: number;
  readonly location?: string;
  readonly text: string;
}

/** The catch-all: specified by class and subclass in the header. */
export interface Data extends DataElement {
  readonly type: 'data';
}

export type Content = Alarm | EventContent | MessageResponse | BulkDataRequest | BulkDataResponse | Data;

/** Why something left a queue without being delivered as it was sent [DESIGN §4.4]. */
export const TOMBSTONE_REASONS = [
  'filtered',
  'merged',
  'held',
  'superseded',
  'expired',
  'evicted',
  'dead-letter',
  'revoked',
  'unknown-after-send',
] as const;
export type TombstoneReason = (typeof TOMBSTONE_REASONS)[number];

/** A receipt: it takes the place of what it removed, so that marks above never stall on a gap. */
export interface Tombstone {
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
  readonly reason: TombstoneReason;
  /** which rule, or which module */
  readonly rule?: string;
  /** id of the aggregate that holds or carries it */
  readonly aggregate?: string;
  /** the hop that did it */
  readonly at: string;
}

/** What a component has given and what it still holds: the other half of an account of every sequence [DESIGN §4.4]. */
export interface Holdings {
  /** ms since 1970 at the component */
  readonly madeAt: number;
  /** the last sequence it gave itself, for each lane it has used */
  readonly own: readonly { readonly epoch: string; readonly lane: Lane; readonly last: number }[];
  /** what waits in its spool; `messages` of the range are there, the rest has gone on or is in none of its hands */
  readonly ranges: readonly HeldRange[];
  /** there are more ranges than one message tells */
  readonly truncated: boolean;
}

export interface HeldRange {
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
  readonly messages: number;
}

/** What the receiver says of one message of an envelope. */
export interface Verdict {
  readonly accepted: boolean;
  readonly code?: string;
  readonly detail?: string;
  readonly retryable?: boolean;
  readonly waitMs?: number;
}

/**
 * The highest sequence of a lane that a parent has seen, whatever is missing below it (a parent that was restored itself misses
 * some for good); shows a restored copy in the first exchange. Marks stand in the order in which the parent first saw their epochs.
 */
export interface Mark {
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly through: number;
  /** of the epoch of this source that appeared last; the others are superseded. Not told by a parent of an older release */
  readonly newest?: boolean;
}

/** The first part of a reply: a verdict per message, in the order sent, and marks when they were asked for. */
export interface EnvelopeResponse {
  readonly verdicts: readonly Verdict[];
  readonly marks?: readonly Mark[];
}
