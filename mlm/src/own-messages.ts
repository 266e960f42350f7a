import {
  type Content,
  type ContentType,
  type Header,
  type Lane,
  type Tombstone,
  WIRE_VERSION,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { BackhaulError, type Clock, newId, type Random, VERSION } from '@backhaul/runtime';
import type { Change, Numbering, Spool, SpoolEntry } from '@backhaul/spool';
import { receiptDrafts, tombstonesOf } from './receipts.ts';

/** A message that this MLM makes itself; it gets its place (epoch, lane, sequence) when it is staged. */
export interface Draft {
  /** given already, for an aggregate that was announced; made otherwise */
  readonly id?: string;
  readonly lane: Lane;
  readonly classification: Header['classification'];
  readonly class: string;
  readonly subclass: string;
  /** to be written, or a body that is sent on as it came */
  readonly content: Content | { readonly type: ContentType; readonly bytes: Uint8Array };
  readonly instance?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly eventKey?: string | undefined;
  readonly inReplyTo?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly madeAt?: number;
  /** ms from now */
  readonly expiresInMs?: number | undefined;
}

/**
 * What the MLM says for itself: receipts, aggregates, answers, status. All of it goes up through the spool like any other
 * message, with the MLM as its source and sequences without holes.
 */
export class OwnMessages {
  readonly #self: string;
  readonly #numbering: Numbering;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: { self: string; numbering: Numbering; spool: Spool; clock: Clock; random: Random }) {
    this.#self = options.self;
    this.#numbering = options.numbering;
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  newId(): string {
    return newId(this.#clock, this.#random);
  }

  /**
   * Drafts and other entries as one record of each lane, to be committed in the same tick. What had to leave the spool to
   * make room is told by a receipt in the same changes. Throws BH-E-SPOOL-FULL, and then nothing has changed.
   */
  stage(drafts: readonly Draft[], others: readonly SpoolEntry[] = []): Change[] {
    return this.#stage(drafts, others, false);
  }

  /** Receipts of what left without being delivered; they find room in a full spool, too. */
  stageReceipts(tombstones: readonly Tombstone[]): Change[] {
    return this.#stage(receiptDrafts(tombstones), [], true);
  }

  #stage(drafts: readonly Draft[], others: readonly SpoolEntry[], receipts: boolean): Change[] {
    if (drafts.length === 0 && others.length === 0) return [];
    const numbered = drafts.map((draft) => this.#number(draft));
    const spooled = this.#spool.stage([...others, ...numbered.map(({ entry }) => entry)], { receipts });
    const evicted = this.stageReceipts(tombstonesOf(spooled.removed, this.#self));
    return [...numbered.map(({ change }) => change), spooled, ...evicted];
  }

  #number(draft: Draft): { entry: SpoolEntry; change: Change } {
    const { first, change } = this.#numbering.stage(draft.lane, 1);
    const now = this.#clock.now();
    const header = this.#headerOf(draft, first, now);
    const body = 'bytes' in draft.content ? draft.content.bytes : writeContent(draft.content);
    const entry: SpoolEntry = {
      id: header.id,
      source: header.source,
      epoch: header.epoch,
      lane: header.lane,
      sequence: first,
      class: header.class,
      subclass: header.subclass,
      header: writeHeader(header),
      body,
      receivedAt: now,
      ...(draft.expiresInMs === undefined ? {} : { expiresAt: now + draft.expiresInMs }),
      persistent: true,
    };
    return { entry, change };
  }

  #headerOf(draft: Draft, sequence: number, now: number): Header {
    const { lane, instance, sourceType, eventKey, inReplyTo, traceparent, expiresInMs } = draft;
    return {
      id: draft.id ?? this.newId(),
      version: WIRE_VERSION,
      locator: 'source',
      source: this.#self,
      epoch: this.#numbering.epoch,
      lane,
      sequence,
      sourceVersion: VERSION,
      ...(instance === undefined ? {} : { instance }),
      ...(sourceType === undefined ? {} : { sourceType }),
      ...(eventKey === undefined ? {} : { eventKey }),
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      ...(traceparent === undefined ? {} : { traceparent }),
      classification: draft.classification,
      class: draft.class,
      subclass: draft.subclass,
      contentType: draft.content.type,
      madeAt: draft.madeAt ?? now,
      qos: {
        precedence: lane,
        ...(expiresInMs === undefined ? {} : { expiresAt: now + expiresInMs, timeToLive: expiresInMs }),
        persistent: true,
      },
      routing: [],
    };
  }
}

/** True for the error of a spool that has no room: the caller refuses, or tries again later. */
export function isSpoolFull(error: unknown): boolean {
  return error instanceof BackhaulError && error.code === 'BH-E-SPOOL-FULL';
}
