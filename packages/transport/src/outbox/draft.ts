import {
  type Classification,
  type Content,
  type ContentType,
  type Header,
  type Lane,
  WIRE_VERSION,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { VERSION } from '@backhaul/runtime';
import type { SpoolEntry } from '@backhaul/spool';

/** A message that a component makes itself, before it has an id and a place. */
export interface Draft {
  /** given already, for an aggregate that was announced; made otherwise */
  readonly id?: string;
  readonly lane: Lane;
  readonly classification: Classification;
  readonly class: string;
  readonly subclass: string;
  /** to be written, or a body that is written already */
  readonly content: Content | { readonly type: ContentType; readonly bytes: Uint8Array };
  /** true when absent */
  readonly persistent?: boolean;
  readonly expiresInMs?: number | undefined;
  /** wall ms; now when absent */
  readonly madeAt?: number;
  /** the support instance it is about */
  readonly instance?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly eventKey?: string | undefined;
  readonly inReplyTo?: string | undefined;
  readonly traceparent?: string | undefined;
  /** names a state of which only the newest counts: this message takes the place of an older one that still waits */
  readonly supersedeKey?: string | undefined;
  /** whose share of the spool it takes: an integrator of a proxy; the component's own when absent */
  readonly via?: string | undefined;
}

/** Where and when a draft becomes a message. */
export interface Place {
  readonly id: string;
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly sequence: number;
  /** wall ms */
  readonly now: number;
}

/** Content written now, so that what cannot be written is refused before the message has a place. */
export function written(content: Content): { readonly type: ContentType; readonly bytes: Uint8Array } {
  return { type: content.type, bytes: writeContent(content) };
}

/** The message as the spool keeps it. Throws BH-E-XML-* or BH-E-LIMIT-* when header or content cannot be written. */
export function entryOf(draft: Draft, place: Place): SpoolEntry {
  const { now, ...identity } = place;
  const { content, expiresInMs } = draft;
  return {
    ...identity,
    class: draft.class,
    subclass: draft.subclass,
    header: writeHeader(headerOf(draft, place)),
    body: 'bytes' in content ? content.bytes : writeContent(content),
    receivedAt: now,
    ...(expiresInMs === undefined ? {} : { expiresAt: now + expiresInMs }),
    persistent: draft.persistent ?? true,
    ...present('supersedeKey', draft.supersedeKey),
    ...present('via', draft.via),
  };
}

function headerOf(draft: Draft, { now, ...identity }: Place): Header {
  const { lane, persistent = true, expiresInMs } = draft;
  return {
    ...identity,
    version: WIRE_VERSION,
    locator: 'source',
    sourceVersion: VERSION,
    ...present('instance', draft.instance),
    ...present('sourceType', draft.sourceType),
    ...present('eventKey', draft.eventKey),
    ...present('inReplyTo', draft.inReplyTo),
    ...present('traceparent', draft.traceparent),
    classification: draft.classification,
    class: draft.class,
    subclass: draft.subclass,
    contentType: draft.content.type,
    madeAt: draft.madeAt ?? now,
    qos: {
      precedence: lane,
      persistent,
      ...(expiresInMs === undefined ? {} : { expiresAt: now + expiresInMs, timeToLive: expiresInMs }),
      ...present('supersedeKey', draft.supersedeKey),
    },
    routing: [],
  };
}

function present<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: string });
}
