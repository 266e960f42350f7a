import {
  type EventContent,
  type Holdings,
  jsonElement,
  type Lane,
  type NoticeId,
  type Severity,
  type StatusNode,
  writeHoldings,
  writeStatus,
} from '@backhaul/envelope';
import { type Clock, type Component, type Logger, Repeating } from '@backhaul/runtime';
import { commitChanges, type Numbering, type Spool, type Store } from '@backhaul/spool';
import type { Draft } from './draft.ts';
import type { Outbox } from './outbox.ts';

/** A heartbeat is of no use when the tenth after it has been made. */
const LIFE_INTERVALS = 10;
/** While the parent is away the waiting one is replaced by a newer one only so often: each replacement leaves a receipt. */
const AWAY_INTERVALS = 10;
/** How long a stop waits for the farewell to be on its way; without a parent it goes up after the next start. */
const FAREWELL_MS = 3_000;
const FAREWELL_LOOK_MS = 50;
const ALL_LANES = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const satisfies readonly Lane[];

export interface HeartbeatOptions {
  readonly self: string;
  /** for people: `proxy 1.0.0`, `MLM 1.0.0` */
  readonly title: string;
  readonly tree: () => StatusNode;
  readonly connected: () => boolean;
  readonly outbox: Outbox;
  readonly numbering: Numbering;
  readonly spool: Spool;
  /** what the spool holds, as ranges; nothing when left out */
  readonly holdings?: (limit: number) => ReturnType<Spool['holdings']>;
  readonly store: Store;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Notice {
  readonly severity: Severity;
  readonly text: string;
  /** wall ms; now when left out */
  readonly occurredAt?: number;
  /** any JSON */
  readonly data?: unknown;
}

/** Ranges told in one message. */
const MAX_RANGES = 2_000;

/**
 * What a component says of itself: that it has begun, its status tree every so often, what it holds, and that it ends on purpose.
 * A newer heartbeat replaces one that still waits (supersede key), so at most one waits however long the parent is away. All of
 * it may use the room that is kept for accounts: a component whose disk is full can still say so.
 */
export class Heartbeat implements Component {
  readonly name = 'heartbeat';
  readonly #options: HeartbeatOptions;
  readonly #beats: Repeating;
  #awayFor = 0;
  #heldSomething = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#beats = new Repeating(options.clock, options.intervalMs, () => this.#tick());
  }

  async start(): Promise<void> {
    const text = `${this.#options.title} has started`;
    await this.#say(() => [this.#notice('cold-start', { severity: 'info', text }), ...this.#beat()]);
    this.#beats.start();
  }

  async stop(): Promise<void> {
    if (!this.#beats.running) return;
    await this.#beats.stop();
    await this.notify('shutdown', { severity: 'info', text: `${this.#options.title} stops on request` });
    await this.#farewell();
  }

  /** Says something that staff should know, now. Never throws: what cannot be kept is logged, and the answer is false. */
  notify(id: NoticeId, notice: Notice): Promise<boolean> {
    return this.#say(() => [this.#notice(id, notice)]);
  }

  async #tick(): Promise<void> {
    this.#awayFor = this.#options.connected() ? 0 : this.#awayFor + 1;
    if (this.#awayFor % AWAY_INTERVALS === 0) await this.#say(() => this.#beat());
  }

  async #farewell(): Promise<void> {
    const { clock, connected, spool } = this.#options;
    const until = clock.monotonic() + FAREWELL_MS;
    while (connected() && spool.depth().messages > 0 && clock.monotonic() < until) await clock.sleep(FAREWELL_LOOK_MS);
  }

  async #say(write: () => readonly Draft[]): Promise<boolean> {
    const { outbox, store, logger } = this.#options;
    try {
      await commitChanges(store, outbox.stageAll(write(), [], { receipts: true }));
      return true;
    } catch (error) {
      logger.warn({ error }, 'what is said upward could not be kept');
      return false;
    }
  }

  #beat(): Draft[] {
    const { clock, tree, intervalMs } = this.#options;
    const life = { expiresInMs: intervalMs * LIFE_INTERVALS, persistent: false };
    const content = writeStatus(clock.now(), tree());
    const holdings = this.#holdings();
    return [
      { ...infrastructure('heartbeat'), ...life, supersedeKey: 'heartbeat', content },
      ...(holdings ? [{ ...infrastructure('holdings'), ...life, supersedeKey: 'holdings', content: holdings }] : []),
    ];
  }

  /** Told while something is held, and once more when nothing is any longer. */
  #holdings(): Draft['content'] | undefined {
    const { holdings, numbering, outbox, clock } = this.#options;
    const { ranges, truncated } = holdings?.(MAX_RANGES) ?? { ranges: [], truncated: false };
    const held = ranges.length > 0;
    if (!held && !this.#heldSomething) return undefined;
    this.#heldSomething = held;
    const { epoch } = outbox;
    const own = ALL_LANES.map((lane) => ({ epoch, lane, last: numbering.last(lane) })).filter(({ last }) => last > 0);
    return writeHoldings({ madeAt: clock.now(), own, ranges: ranges as Holdings['ranges'], truncated });
  }

  #notice(eventId: NoticeId, { severity, text, occurredAt, data }: Notice): Draft {
    const { self, clock } = this.#options;
    const payload = data === undefined ? {} : { data: jsonElement(data) };
    const content: EventContent = {
      ...{ type: 'event', eventId, severity, instance: self, occurredAt: occurredAt ?? clock.now(), text },
      ...payload,
    };
    return { ...infrastructure('notice'), content };
  }
}

function infrastructure(subclass: 'heartbeat' | 'holdings' | 'notice') {
  return { class: 'infrastructure', subclass, classification: 'infrastructure-administration', lane: 4 } as const;
}
