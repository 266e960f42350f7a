import type { Clock, Logger } from '@backhaul/runtime';
import type { RelayHandler } from '@backhaul/transport';
import type { Bus } from '../bus/bus.ts';
import type { ComponentRecord } from '../directory/component-tree.ts';
import type { NewNotification } from '../notifications/notification.ts';
import type { Notifier } from '../notifications/notifications.ts';
import type { Database } from '../store/database.ts';

export type TwoOfOneKind = Parameters<NonNullable<RelayHandler['twice']>>[1];

const TOLD = {
  clone: {
    ...{ kind: 'component.cloned', severity: 'critical' },
    text: 'two live components use this identity: nothing new of either is taken until one is stopped, or it is revoked',
  },
  'two-pollers': {
    ...{ kind: 'component.two-pollers', severity: 'major' },
    text: 'two processes poll with this identity: commands go to whichever asks next',
  },
} as const satisfies Record<TwoOfOneKind, Pick<NewNotification, 'kind' | 'severity' | 'text'>>;

export interface TwoOfOneOptions {
  readonly database: Database;
  readonly notifier: Notifier;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells, on the bus and to the people outside, that two processes use the identity of one direct child. */
export class TwoOfOne {
  readonly #options: TwoOfOneOptions;
  readonly #telling = new Set<Promise<unknown>>();

  constructor(options: TwoOfOneOptions) {
    this.#options = options;
  }

  /** The notification follows in a transaction of its own: what is refused because of it is not undone with it. */
  tell({ id, customer, site }: ComponentRecord, what: TwoOfOneKind, address?: string): void {
    const { database, notifier, bus, clock, logger } = this.#options;
    const { kind, severity, text } = TOLD[what];
    const data = { component: id, ...(address === undefined ? {} : { address }) };
    logger.error(data, text);
    bus.publish({ topic: kind, at: clock.now(), customer, body: { ...data, site } });
    const notification = { kind, severity, customer, site, subject: id, text: `${id}: ${text}`, data };
    const telling = database
      .transaction((tx) => notifier.notify(tx, notification))
      .catch((error) => logger.error({ error, component: id }, 'nobody could be told of it'))
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
  }

  /** Resolves when everything told is stored. */
  async settled(): Promise<void> {
    await Promise.all(this.#telling);
  }
}
