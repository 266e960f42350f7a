import { type Clock, type Component, type Logger, Repeating } from '@backhaul/runtime';
import type { LastHeard } from './directory/last-heard.ts';
import type { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import type { ModuleHost } from './service-modules/module-host.ts';
import type { ClockJumps } from './store/clock-jumps.ts';
import type { Database } from './store/database.ts';
import type { Retention } from './store/retention.ts';

const TICK_MS = 5_000;
const MODULE_TICK_MS = 60_000;

export interface HousekeepingOptions {
  readonly database: Database;
  readonly lastHeard: LastHeard;
  readonly mailboxes: SqlMailboxes;
  readonly modules: ModuleHost;
  readonly retention: Retention;
  readonly jumps: Pick<ClockJumps, 'look'>;
  readonly pruneEveryMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What happens by itself: times written down, mailboxes cleared of what is past its time, modules ticked, old data pruned. */
export class Housekeeping implements Component {
  readonly name = 'housekeeping';
  readonly #options: HousekeepingOptions;
  readonly #jobs: readonly { everyMs: number; dueAt: number; run: () => Promise<unknown> }[];
  readonly #repeating: Repeating;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#repeating = new Repeating(options.clock, TICK_MS, () => this.#runDue());
    const job = (everyMs: number, run: () => Promise<unknown>) => ({ everyMs, dueAt: 0, run });
    this.#jobs = [
      job(TICK_MS, () => options.lastHeard.write()),
      job(TICK_MS, () => this.#expire()),
      job(MODULE_TICK_MS, () => this.#tick()),
      job(options.pruneEveryMs, () => options.retention.prune()),
    ];
  }

  async start(): Promise<void> {
    this.#repeating.start();
  }

  async stop(): Promise<void> {
    await this.#repeating.stop();
    await this.#options.lastHeard.write().catch(() => undefined);
  }

  async #runDue(): Promise<void> {
    const { clock, logger } = this.#options;
    for (const job of this.#jobs) {
      if (!this.#repeating.running || clock.monotonic() < job.dueAt) continue;
      job.dueAt = clock.monotonic() + job.everyMs;
      await job.run().catch((error) => logger.error({ error }, 'housekeeping failed'));
    }
  }

  async #tick(): Promise<void> {
    const { database, modules, jumps, clock } = this.#options;
    await jumps.look();
    await database.transaction((tx) => modules.tick(tx, clock.now()));
  }

  async #expire(): Promise<void> {
    const { database, mailboxes, jumps, clock, logger } = this.#options;
    await jumps.look(); // nothing ends because the clock was set
    const now = clock.now();
    const removed = await database.transaction((tx) => mailboxes.expire(tx, now));
    if (removed.length > 0) logger.info({ removed: removed.length }, 'messages expired in mailboxes');
  }
}
