import type { Clock } from './clock.ts';
import type { Logger } from './logging.ts';

/** The same trouble is logged again after so long at the earliest, with how often it came in between. */
const QUIET_MS = 60_000;
/** Kinds of trouble told apart; past that the one that was quiet longest is forgotten. */
const KINDS = 256;

type Level = 'info' | 'warn' | 'error';

interface Kind {
  /** monotonic ms */
  loggedAt: number;
  /** times since then */
  unlogged: number;
}

/**
 * For what may come a thousand times a second (a full disk refuses every request): the first line at once, then one a minute with
 * the number of those left out.
 */
export class SparingLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #quietMs: number;
  readonly #kinds = new Map<string, Kind>();

  constructor(logger: Logger, clock: Clock, { quietMs = QUIET_MS }: { quietMs?: number } = {}) {
    this.#logger = logger;
    this.#clock = clock;
    this.#quietMs = quietMs;
  }

  /** `kind` says what is the same trouble. */
  log(level: Level, kind: string, fields: object, message: string): void {
    const now = this.#clock.monotonic();
    const known = this.#kinds.get(kind);
    if (known !== undefined && now - known.loggedAt < this.#quietMs) {
      known.unlogged += 1;
      return;
    }
    this.#kinds.delete(kind);
    if (this.#kinds.size >= KINDS) this.#forgetOldest();
    this.#kinds.set(kind, { loggedAt: now, unlogged: 0 });
    const more = known === undefined || known.unlogged === 0 ? {} : { unlogged: known.unlogged };
    this.#logger[level]({ ...fields, ...more }, message);
  }

  #forgetOldest(): void {
    for (const kind of this.#kinds.keys()) return void this.#kinds.delete(kind);
  }
}
