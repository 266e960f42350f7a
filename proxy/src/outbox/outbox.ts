import {
  type Classification,
  type ContentType,
  type Header,
  type Lane,
  WIRE_VERSION,
  writeHeader,
} from '@backhaul/envelope';
import { BackhaulError, type Clock, newId, type Random, toBackhaulError, VERSION } from '@backhaul/runtime';
import { type Change, joinChanges, type Numbering, type Removed, type Spool, type SpoolEntry } from '@backhaul/spool';
import { receiptDrafts } from './receipt-drafts.ts';

/** A message before it has an id and a place. The body is written already, so that what it cannot carry was refused before. */
export interface Draft {
  readonly class: string;
  readonly subclass: string;
  readonly classification: Classification;
  readonly contentType: ContentType;
  readonly body: Uint8Array;
  readonly lane: Lane;
  readonly persistent: boolean;
  readonly expiresInMs?: number;
  /** the support instance it is about */
  readonly instance?: string;
  readonly sourceType?: string;
  readonly eventKey?: string;
  readonly inReplyTo?: string;
  readonly traceparent?: string;
}

export interface Placed {
  readonly id: string;
  readonly lane: Lane;
  readonly sequence: number;
}

export interface StagedMessages {
  /** one per draft, in order; a draft whose header cannot be written is refused alone */
  readonly results: readonly (Placed | BackhaulError)[];
  /** to be committed in this very tick: the numbers are given back otherwise */
  readonly changes: readonly Change[];
}

export interface OutboxOptions {
  /** component ID of this proxy: the source of all it makes */
  readonly self: string;
  readonly numbering: Numbering;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Gives the proxy's messages their id and their place (epoch, lane, sequence) and puts them into the spool, as a change that
 * its caller commits together with what caused them. Nothing is numbered that is not written, so sequences have no holes.
 */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get epoch(): string {
    return this.#options.numbering.epoch;
  }

  /** Throws BH-E-SPOOL-FULL for all of them; then nothing was numbered. What had to make room gets its receipts here too. */
  stage(drafts: readonly Draft[], options: { receipts?: boolean } = {}): StagedMessages {
    const next = new Map<Lane, number>();
    const entries: SpoolEntry[] = [];
    const results = drafts.map((draft) => {
      const sequence = next.get(draft.lane) ?? this.#options.numbering.last(draft.lane) + 1;
      try {
        const entry = this.#entry(draft, sequence);
        entries.push(entry);
        next.set(draft.lane, sequence + 1);
        return { id: entry.id, lane: draft.lane, sequence };
      } catch (error) {
        return toBackhaulError(error);
      }
    });
    return { results, changes: this.#reserve(entries, next, options) };
  }

  /** Tombstones in place of what left undelivered, as one change for the commit that removes it [DESIGN §4.4]. */
  receipts(removed: readonly Removed[]): Change {
    return joinChanges(this.#receipts(removed));
  }

  #reserve(entries: readonly SpoolEntry[], next: ReadonlyMap<Lane, number>, options: { receipts?: boolean }): Change[] {
    if (entries.length === 0) return [];
    const stored = this.#options.spool.stage(entries, options);
    const numbered = [...next].map(([lane, end]) => this.#number(lane, end));
    return [...numbered, stored, ...this.#receipts(stored.removed)];
  }

  #receipts(removed: readonly Removed[]): readonly Change[] {
    const drafts = receiptDrafts(removed, this.#options.self);
    return drafts.length === 0 ? [] : this.stage(drafts, { receipts: true }).changes;
  }

  #number(lane: Lane, end: number): Change {
    const { numbering } = this.#options;
    const expected = numbering.last(lane) + 1;
    const { first, change } = numbering.stage(lane, end - expected);
    if (first !== expected) throw new BackhaulError('BH-E-INTERNAL', { detail: 'numbers were given twice' });
    return change;
  }

  #entry(draft: Draft, sequence: number): SpoolEntry {
    const { self, numbering, clock, random } = this.#options;
    const now = clock.now();
    const id = newId(clock, random);
    const expiresAt = draft.expiresInMs === undefined ? undefined : now + draft.expiresInMs;
    const place = { source: self, epoch: numbering.epoch, lane: draft.lane, sequence };
    return {
      id,
      ...place,
      class: draft.class,
      subclass: draft.subclass,
      header: writeHeader(
        headerOf(draft, { id, ...place, madeAt: now, ...(expiresAt === undefined ? {} : { expiresAt }) }),
      ),
      body: draft.body,
      receivedAt: now,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      persistent: draft.persistent,
    };
  }
}

interface Place {
  readonly id: string;
  readonly source: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly sequence: number;
  readonly madeAt: number;
  readonly expiresAt?: number;
}

function headerOf(draft: Draft, { madeAt, expiresAt, ...place }: Place): Header {
  return {
    ...place,
    version: WIRE_VERSION,
    locator: 'source',
    sourceVersion: VERSION,
    classification: draft.classification,
    class: draft.class,
    subclass: draft.subclass,
    contentType: draft.contentType,
    madeAt,
    qos: {
      precedence: draft.lane,
      persistent: draft.persistent,
      ...(expiresAt === undefined ? {} : { expiresAt, timeToLive: expiresAt - madeAt }),
    },
    ...present('instance', draft.instance),
    ...present('sourceType', draft.sourceType),
    ...present('eventKey', draft.eventKey),
    ...present('inReplyTo', draft.inReplyTo),
    ...present('traceparent', draft.traceparent),
    routing: [],
  };
}

function present<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: string });
}
