import {
  type Header,
  jsonData,
  type Lane,
  type RejectedItem,
  readHeader,
  WIRE_VERSION,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { type Clock, type CounterHandle, newId, type Random, TokenBucket, VERSION } from '@backhaul/runtime';
import { type Change, joinChanges, type Numbering, type Removed, type Store } from '@backhaul/spool';
import type { RoomyMailboxes } from '../mailbox-room.ts';
import type { Membership } from '../membership/membership.ts';

/** Items in one message. */
const ITEMS = 256;
/** Messages to one child: so many each second, and so many at once after a quiet time. What is past that stands in receipts only. */
const PER_SECOND = 1;
const BURST = 8;
/** How long a proxy may be away and still be told. */
const EXPIRES_MS = 7 * 24 * 60 * 60 * 1000;
const LANE: Lane = 4;
const LOST: ReadonlySet<Removed['reason']> = new Set<Removed['reason']>(['expired', 'evicted', 'dead-letter']);

export interface LateRejectionsOptions {
  /** id of this MLM */
  readonly self: string;
  readonly store: Pick<Store, 'accepting'>;
  readonly mailboxes: RoomyMailboxes;
  readonly membership: Membership;
  /** places of what this MLM says downward */
  readonly numbering: Numbering;
  readonly clock: Clock;
  readonly random: Random;
  /** messages that were lost and not told downward: no room, too many, or nobody there */
  readonly untold: CounterHandle;
}

/**
 * The late rejection of the source document: what was accepted from below and then evicted, expired or given up is told to its
 * source, in the mailbox of the child that leads there, in the commit of the loss [DESIGN §4.7]. The receipt upward is complete; this
 * is a courtesy with bounds, and what it leaves out is counted.
 */
export class LateRejections {
  readonly #options: LateRejectionsOptions;
  readonly #rates = new Map<string, TokenBucket>();

  constructor(options: LateRejectionsOptions) {
    this.#options = options;
  }

  /** For the commit that removes these. */
  stage(removed: readonly Removed[]): readonly Change[] {
    const lost = removed.filter(({ entry, reason }) => LOST.has(reason) && isTold(entry));
    if (lost.length === 0) return [];
    return [...Map.groupBy(lost, ({ entry }) => entry.source)].flatMap(([source, ofSource]) =>
      this.#tell(source, ofSource),
    );
  }

  #tell(source: string, lost: readonly Removed[]): readonly Change[] {
    const [child] = this.#options.membership.tree.nextHops(source);
    const told: Change[] = [];
    let at = 0;
    for (; child !== undefined && at < lost.length && this.#mayTell(child); at += ITEMS) {
      const change = this.#put(child, source, lost.slice(at, at + ITEMS));
      if (change === undefined) break;
      told.push(change);
    }
    if (at < lost.length) this.#options.untold.inc({}, lost.length - at);
    return told;
  }

  /** Undefined when the child's mailbox is full, or the disk short. */
  #put(child: string, source: string, lost: readonly Removed[]): Change | undefined {
    const { store, mailboxes, numbering, clock } = this.#options;
    const header = this.#header(source, numbering.last(LANE) + 1);
    const content = jsonData({ items: lost.map((one) => this.#item(one)) });
    const headerBytes = writeHeader(header);
    const body = writeContent(content);
    if (!store.accepting || !mailboxes.hasRoom(child, headerBytes.length + body.length)) return undefined;
    const now = clock.now();
    const message = { id: header.id, header: headerBytes, body, receivedAt: now, expiresAt: now + EXPIRES_MS };
    const put = mailboxes.stagePut([child], message);
    const { change } = numbering.stage(LANE, 1); // last: what is refused before has cost no number
    return joinChanges([change, put]);
  }

  #mayTell(child: string): boolean {
    const now = this.#options.clock.monotonic();
    const rate = this.#rates.get(child) ?? new TokenBucket(PER_SECOND, BURST);
    this.#rates.set(child, rate);
    if (rate.waitFor(1, now) > 0) return false;
    rate.take(1, now);
    return true;
  }

  #item({ entry, reason, code }: Removed): RejectedItem {
    const { instance, eventKey } = readHeader(entry.header);
    return {
      ...{ id: entry.id, class: entry.class, subclass: entry.subclass },
      ...(instance === undefined ? {} : { instance }),
      ...(eventKey === undefined ? {} : { eventKey }),
      reason,
      ...(code === undefined ? {} : { code }),
      by: this.#options.self,
      at: this.#options.clock.now(),
    };
  }

  #header(source: string, sequence: number): Header {
    const { self, numbering, clock, random } = this.#options;
    const now = clock.now();
    return {
      id: newId(clock, random),
      version: WIRE_VERSION,
      locator: 'destination',
      source: self,
      epoch: numbering.epoch,
      lane: LANE,
      sequence,
      sourceVersion: VERSION,
      classification: 'infrastructure-administration',
      class: 'infrastructure',
      subclass: 'rejection',
      contentType: 'data',
      madeAt: now,
      qos: { precedence: LANE, persistent: true, expiresAt: now + EXPIRES_MS, timeToLive: EXPIRES_MS },
      destination: { kind: 'component', id: source },
      routing: [],
    };
  }
}

/** Came from below, and is something that somebody waits for: not what the network says of itself. */
function isTold({ via, class: kind }: Removed['entry']): boolean {
  return via !== undefined && kind !== 'infrastructure';
}
