import { type Clock, isoTime, type Logger } from '@backhaul/runtime';
import type { Database, Transaction } from './database.ts';
import type { Facts } from './facts.ts';

/** A wall clock that has moved by no more than this against the monotonic one was not set. */
const SLACK_MS = 10_000;
/** What passed after the last mark counts as time off. */
const MARK_MS = 60_000;
/** For each day that this process lives, this many days of data may come to their end. */
const PRUNED_PER_LIVED = 2;
const FACT = 'clock';

/** Written down, so that the next run knows. */
interface Mark {
  /** wall ms */
  readonly wall: number;
  /** wall ms that pruning believed */
  readonly believed: number;
}

/** `before`: what the wall clock said, without the jump. */
export type MoveTimes = (tx: Transaction, ms: number, before: number) => Promise<void>;

export interface ClockJumpsOptions {
  readonly database: Database;
  readonly facts: Facts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** moves the ends of everything that still waits */
  readonly move: MoveTimes;
}

/**
 * A wall clock that is set must neither end everything that waits nor keep it for ever. Within one run a jump against the monotonic
 * clock moves the times of what waits by as much, in one transaction, so that the time left stays. From one run to the next the
 * difference of the wall clocks is time off, unless it is negative: then it moves them too [DESIGN §4.6].
 *
 * What is pruned for its age goes by a time of its own, which is never ahead of the wall clock and gains on it at most
 * `PRUNED_PER_LIVED` times as fast as this process lives: a clock that is a year ahead costs two days of data in a day.
 */
export class ClockJumps {
  readonly #options: ClockJumpsOptions;
  /** when both clocks were looked at last and agreed */
  #seen = { wall: 0, monotonic: 0, believed: 0 };
  #markedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ClockJumpsOptions) {
    this.#options = options;
  }

  /** After the facts; before anything ends. */
  async load(): Promise<void> {
    const { facts, clock } = this.#options;
    const stored = facts.get(FACT);
    const wall = clock.now();
    const mark = stored === undefined ? { wall, believed: wall } : (JSON.parse(stored) as Mark);
    this.#seen = { wall, monotonic: clock.monotonic(), believed: Math.min(wall, mark.believed) };
    await this.#keep(Math.min(0, wall - mark.wall), mark.wall);
  }

  /** Before anything is ended, each time. */
  async look(): Promise<void> {
    const { clock } = this.#options;
    const [wall, monotonic] = [clock.now(), clock.monotonic()];
    const expected = this.#seen.wall + monotonic - this.#seen.monotonic;
    const jump = Math.round(wall - expected);
    const jumped = Math.abs(jump) > SLACK_MS;
    if (!jumped && monotonic - this.#markedAt < MARK_MS) return;
    await this.#keep(jumped ? jump : 0, expected);
    this.#seen = { wall: jumped ? wall : expected, monotonic, believed: this.believed() };
  }

  /** wall ms by which pruning goes */
  believed(): number {
    const { clock } = this.#options;
    const lived = clock.monotonic() - this.#seen.monotonic;
    return Math.min(clock.now(), this.#seen.believed + PRUNED_PER_LIVED * lived);
  }

  async #keep(jump: number, before: number): Promise<void> {
    const { database, facts, clock, logger, move } = this.#options;
    const [wall, believed] = [clock.now(), this.believed()];
    await database.transaction(async (tx) => {
      if (jump !== 0) await move(tx, jump, before);
      await facts.set(tx, FACT, JSON.stringify({ wall, believed } satisfies Mark));
    });
    this.#markedAt = clock.monotonic();
    if (jump !== 0)
      logger.warn({ ms: jump, from: isoTime(before) }, 'the clock was set: what waits keeps the time it had left');
  }
}
