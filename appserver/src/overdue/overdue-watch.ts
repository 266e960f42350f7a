import { readStatus, type StatusNode } from '@backhaul/envelope';
import { type Clock, type Component, type Logger, Repeating } from '@backhaul/runtime';
import type { Bus } from '../bus/bus.ts';
import type { ComponentRecord } from '../directory/component-tree.ts';
import type { Directory } from '../directory/directory.ts';
import { type LastHeard, timeAtHops } from '../directory/last-heard.ts';
import type { Notifier } from '../notifications/notifications.ts';
import type { ArrivedMessage, ServiceModule } from '../service-modules/service-module.ts';
import type { Database, Transaction } from '../store/database.ts';
import {
  type OverdueMemory,
  type OverdueNews,
  type OverdueSettings,
  type OverdueState,
  overdueStep,
  ROOT,
  type Watched,
} from './overdue-machine.ts';
import { overdueNotifications } from './overdue-news.ts';
import { loadOverdue, writeOverdue } from './overdue-store.ts';
import { ToldBelow } from './told-below.ts';

/** A pause between two looks longer than this was an outage of our own: nobody could be heard meanwhile. */
const OUTAGE_MS = 30_000;

export interface OverdueWatchOptions {
  readonly database: Database;
  readonly directory: Directory;
  readonly lastHeard: LastHeard;
  readonly notifier: Notifier;
  readonly bus: Bus;
  readonly settings: OverdueSettings & { readonly everyMs: number };
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Looks every so often who has not been heard. The new states and what is told of them are one commit: a restart neither
 * forgets nor repeats a notification. After a start, and after a pause of this process, everybody gets their time anew.
 */
export class OverdueWatch implements Component {
  readonly name = 'overdue';
  readonly #options: OverdueWatchOptions;
  readonly #repeating: Repeating;
  readonly #told = new ToldBelow();
  #memory: OverdueMemory = { states: new Map(), countFrom: 0, steadySince: new Map() };
  #lookedAt = { now: 0, monotonic: 0 };

  constructor(options: OverdueWatchOptions) {
    this.#options = options;
    this.#repeating = new Repeating(options.clock, options.settings.everyMs, () => this.#look());
  }

  async start(): Promise<void> {
    const { database, clock, lastHeard } = this.#options;
    this.#memory = { states: await loadOverdue(database), countFrom: clock.now(), steadySince: new Map() };
    this.#lookedAt = { now: clock.now(), monotonic: clock.monotonic() };
    lastHeard.countFrom = clock.now();
    this.#repeating.start();
  }

  stop(): Promise<void> {
    return this.#repeating.stop();
  }

  /** Undefined: it is heard. */
  state(id: string): OverdueState | undefined {
    return this.#memory.states.get(id);
  }

  states(): OverdueState[] {
    return [...this.#memory.states.values()];
  }

  /** What heartbeats tell of others: of a proxy's integrators by the proxy, of a proxy by its MLM. */
  get module(): ServiceModule {
    return {
      name: 'overdue',
      subscriptions: [{ class: 'infrastructure', subclass: 'heartbeat' }],
      migrations: [],
      handle: async (tx, message) => {
        const { madeAt, root } = readStatus(message.content());
        if (root.id === message.header.source) tx.afterCommit(() => this.#hear(message, madeAt, root));
        return undefined;
      },
    };
  }

  #hear(message: ArrivedMessage, madeAt: number, root: StatusNode): void {
    const { lastHeard, directory } = this.#options;
    if (root.kind === 'proxy') this.#told.tell(root.id, root, (id) => this.#memory.states.has(id));
    if (root.kind !== 'mlm') return;
    const leftAt = message.receivedAt - timeAtHops(message.header.routing, root.id);
    for (const { id, heardAt } of root.children) {
      const isChild = directory.tree.isBelow(id, root.id);
      if (isChild && heardAt !== undefined && heardAt <= madeAt) lastHeard.heard(id, leftAt - (madeAt - heardAt));
    }
  }

  async #look(): Promise<void> {
    const { clock, logger, settings } = this.#options;
    this.#noticeOutage();
    const now = clock.now();
    const { changes, news } = overdueStep(this.#memory, this.#watched(), now, settings);
    if (changes.size === 0) return;
    try {
      await this.#options.database.transaction((tx) => this.#commit(tx, changes, news));
    } catch (error) {
      logger.error({ error }, 'who is overdue could not be written down');
    }
  }

  /** [O3] By either clock: a stopped process does not see the one move on, a clock that was set not the other. */
  #noticeOutage(): void {
    const { clock, lastHeard, logger } = this.#options;
    const seen = { now: clock.now(), monotonic: clock.monotonic() };
    const pausedMs =
      Math.max(Math.abs(seen.now - this.#lookedAt.now), seen.monotonic - this.#lookedAt.monotonic) -
      this.#options.settings.everyMs;
    this.#lookedAt = seen;
    if (pausedMs <= OUTAGE_MS) return;
    logger.warn(
      { pausedMs: Math.round(pausedMs) },
      'nobody was looked after meanwhile: everybody gets their time anew',
    );
    this.#memory = { ...this.#memory, countFrom: seen.now, steadySince: new Map() };
    lastHeard.countFrom = seen.now;
  }

  async #commit(
    tx: Transaction,
    changes: ReadonlyMap<string, OverdueState | null>,
    news: readonly (readonly OverdueNews[])[],
  ): Promise<void> {
    await writeOverdue(tx, changes);
    for (const group of news)
      for (const notification of overdueNotifications(group)) await this.#options.notifier.notify(tx, notification);
    tx.afterCommit(() => {
      const states = new Map(this.#memory.states);
      for (const [id, state] of changes) {
        if (state === null) states.delete(id);
        else states.set(id, state);
      }
      this.#memory = { ...this.#memory, states };
      for (const one of news.flat()) this.#publish(one);
    });
  }

  #publish({ type, state }: OverdueNews): void {
    const { bus, clock, logger } = this.#options;
    const { id: component, kind, since, customer } = state;
    logger[type === 'overdue' ? 'warn' : 'info']({ id: component, kind, since }, `a component is ${type}`);
    bus.publish({ topic: `component.${type}`, at: clock.now(), customer, body: { component, kind, since } });
  }

  #watched(): Watched[] {
    const components = this.#options.directory.tree.all().filter(({ state }) => state === 'active');
    const known = Map.groupBy(this.#memory.states.values(), ({ id }) => id.slice(0, id.lastIndexOf('.')));
    return components.flatMap((component) => {
      const one = this.#asWatched(component);
      const below = known.get(one.id)?.filter(({ kind }) => kind !== 'proxy' && kind !== 'mlm') ?? [];
      return [one, ...(one.kind === 'proxy' ? this.#told.watched(one, below) : [])];
    });
  }

  #asWatched({ id, kind, customer, site, parents: above }: ComponentRecord): Watched {
    const { directory, lastHeard } = this.#options;
    const parents = above.map((parent) => (parent === directory.tree.self ? ROOT : parent));
    return { id, kind, customer, site, parents, heardAt: lastHeard.get(id) };
  }
}
