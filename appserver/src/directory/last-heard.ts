import type { Clock } from '@backhaul/runtime';
import type { Arrival } from '../receiver/arrival.ts';
import type { Database } from '../store/database.ts';

/**
 * When each component was heard of last. A direct child is heard at each request; one further below when its message left
 * it, reckoned from the time it then spent at the hops above, so that wrong clocks and long queues do not matter.
 * Kept in memory and written down now and then: after a crash it is a little older than the truth, never newer.
 */
export class LastHeard {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #heard = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  /** silence before this counts for nobody: the start of this process, or the end of an outage of its own; wall ms */
  countFrom = 0;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async load(): Promise<void> {
    const rows = await this.#database.reader
      .selectFrom('components')
      .select(['id', 'lastHeardAt'])
      .where('lastHeardAt', 'is not', null)
      .execute();
    for (const { id, lastHeardAt } of rows) this.#heard.set(id, lastHeardAt!);
  }

  get(id: string): number | undefined {
    return this.#heard.get(id);
  }

  heard(id: string, given: number): void {
    const at = Math.max(0, given); // reckoned from what others say
    const before = this.#heard.get(id) ?? 0;
    if (at <= before && before <= this.#clock.now()) return; // a time ahead of the clock is from before it was set back
    this.#heard.set(id, at);
    this.#unwritten.add(id);
  }

  arrived(arrivals: readonly Arrival[], now: number): void {
    for (const { header, verdict } of arrivals) {
      if (verdict?.accepted) this.heard(header.source, now - timeAtHops(header.routing, header.source));
    }
  }

  /** What has changed since the last time. */
  async write(): Promise<void> {
    const rows = [...this.#unwritten].map((id) => [this.#heard.get(id)!, id] as const);
    this.#unwritten.clear();
    if (rows.length === 0) return;
    await this.#database.transaction((tx) => tx.run('UPDATE "components" SET "lastHeardAt" = ? WHERE "id" = ?', rows));
  }

  isOverdue(id: string, overdueAfterMs: number): boolean {
    const at = this.#heard.get(id);
    return at !== undefined && this.#clock.now() - Math.max(at, this.countFrom) > overdueAfterMs;
  }
}

/** Ms that a message has spent at the hops above its source, by their own clocks. */
export function timeAtHops(routing: Arrival['header']['routing'], source: string): number {
  const above = routing.filter(({ id }) => id !== source);
  return above.reduce((sum, hop) => sum + Math.max(0, hop.out - hop.in), 0);
}
