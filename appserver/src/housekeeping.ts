import type { Clock, Component, Logger, Timer } from '@backhaul/runtime';
import type { LastHeard } from './directory/last-heard.ts';
import type { SqlMailboxes } from './mailboxes/sql-mailboxes.ts';
import type { ModuleHost } from './service-modules/module-host.ts';
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
  readonly pruneEveryMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What happens by itself: times written down, mailboxes cleared of what is past its time, modules ticked, old data pruned. */
export class Housekeeping implements Component {
  readonly name = 'housekeeping';
  readonly #options: HousekeepingOptions;
  readonly #jobs: readonly { everyMs: number; dueAt: number; run: () => Promise<unknown> }[];
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    const job = (everyMs: number, run: () => Promise<unknown>) => ({ everyMs, dueAt: 0, run });
    this.#jobs = [
      job(TICK_MS, () => options.lastHeard.write()),
      job(TICK_MS, () => this.#expire()),
      job(MODULE_TICK_MS, () => options.database.transaction((tx) => options.modules.tick(tx, options.clock.now()))),
      job(options.pruneEveryMs, () => options.retention.prune()),
    ];
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#options.lastHeard.write().catch(() => undefined);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(TICK_MS, () => {
      this.#running = this.#runDue().then(() => this.#schedule());
    });
  }

  async #runDue(): Promise<void> {
    const { clock, logger } = this.#options;
    for (const job of this.#jobs) {
      if (this.#stopped || clock.monotonic() < job.dueAt) continue;
      job.dueAt = clock.monotonic() + job.everyMs;
      await job.run().catch((error) => logger.error({ error }, 'housekeeping failed'));
    }
  }

  async #expire(): Promise<void> {
    const { database, mailboxes, clock, logger } = this.#options;
    const now = clock.now();
    const removed = await database.transaction((tx) => mailboxes.expire(tx, now));
    if (removed.length > 0) logger.info({ removed: removed.length }, 'messages expired in mailboxes');
  }
}
