import {
  BackhaulError,
  type Clock,
  type Component,
  type Logger,
  type Metrics,
  newId,
  type Random,
  Repeating,
} from '@backhaul/runtime';
import type { Database, Transaction } from '../store/database.ts';
import { MailSender } from './mail-sender.ts';
import { type NewNotification, type Notification, type NotificationSender, passes } from './notification.ts';
import type { NotificationConfig } from './notification-config.ts';
import {
  addNotification,
  ageNotifications,
  giveUpForeign,
  type SenderFigures,
  senderFigures,
} from './notification-store.ts';
import { SenderLoop } from './sender-loop.ts';
import { WebhookSender } from './webhook-sender.ts';

const DAY_MS = 86_400_000;
const AGE_EVERY_MS = 60_000;
/** Of a text and of the JSON of its data; what is longer is cut, or left out. */
const TEXT_CHARACTERS = 4_000;
const DATA_CHARACTERS = 16 * 1024;

export interface NotificationsOptions {
  readonly database: Database;
  readonly config: NotificationConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** besides the configured ones */
  readonly senders?: readonly NotificationSender[];
}

/** How one sender does. */
export interface SenderReport extends SenderFigures {
  readonly name: string;
  readonly use: string;
  readonly target: string;
}

/** Anything that has something to tell; the row is part of the caller's transaction. Returns the id. */
export interface Notifier {
  notify(tx: Transaction, notification: NewNotification): Promise<string>;
}

/**
 * What people outside should hear of. `notify` writes into a durable outbox in the caller's own transaction, so that what
 * happened and the word of it are stored together; each sender then takes from it at its own pace.
 */
export class Notifications implements Component, Notifier {
  readonly name = 'notifications';
  readonly #options: NotificationsOptions;
  readonly #senders: readonly NotificationSender[];
  readonly #aging: Repeating;
  readonly #figures: ReturnType<typeof figures>;
  #loops: readonly SenderLoop[] = [];
  #lastAt = 0;
  #waiting: ReadonlyMap<string, SenderFigures> = new Map();

  constructor(options: NotificationsOptions) {
    const { config, clock, metrics } = options;
    this.#options = options;
    this.#senders = [...config.senders.map((sender) => sendersOf(sender, clock)), ...(options.senders ?? [])];
    this.#aging = new Repeating(clock, AGE_EVERY_MS, () => this.#age());
    this.#figures = figures(metrics, () => this.#waiting);
  }

  async start(): Promise<void> {
    const { database, clock, random, logger } = this.#options;
    const names = this.#senders.map(({ name }) => name);
    await database.transaction((tx) => giveUpForeign(tx, names, clock.now()));
    this.#waiting = await senderFigures(database);
    this.#loops = this.#senders.map((sender) => {
      const settled = (state: string) => this.#figures.attempts.inc({ sender: sender.name, outcome: state });
      return new SenderLoop({ sender, database, clock, random, logger, settled });
    });
    for (const loop of this.#loops) loop.start();
    this.#aging.start();
  }

  async stop(): Promise<void> {
    await this.#aging.stop();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await Promise.all(this.#senders.map((sender) => sender.close()));
  }

  async notify(tx: Transaction, given: NewNotification): Promise<string> {
    const notification = this.#made(given);
    const names = this.#senders.filter(({ filter }) => passes(filter, notification)).map(({ name }) => name);
    await addNotification(tx, notification, names, this.#options.config.maxWaiting);
    tx.afterCommit(() => {
      for (const loop of this.#loops) loop.wake();
    });
    return notification.id;
  }

  /** Sends a test past the outbox, at once. @throws BH-E-NOT-FOUND, or what the sender says */
  async test(name: string): Promise<{ id: string; sender: string; target: string }> {
    const sender = this.#senders.find((candidate) => candidate.name === name);
    if (!sender) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `notification sender ${name}` });
    const text = 'This is a test of Backhaul: notifications of this kind reach you.';
    const notification = this.#made({
      ...{ kind: 'test.test', severity: 'info', customer: 'provider', site: null, subject: name, text },
    });
    await sender.send(notification, new AbortController().signal);
    return { id: notification.id, sender: name, target: sender.target };
  }

  async report(): Promise<SenderReport[]> {
    this.#waiting = await senderFigures(this.#options.database);
    const none = { waiting: 0, dead: 0, sent: 0, lastSentAt: null };
    return this.#senders.map(({ name, use, target }) => ({ name, use, target, ...(this.#waiting.get(name) ?? none) }));
  }

  #made(given: NewNotification): Notification {
    const { clock, random } = this.#options;
    const data = given.data ?? {};
    const fits = JSON.stringify(data).length <= DATA_CHARACTERS;
    this.#lastAt = Math.max(clock.now(), this.#lastAt + 1); // ids tell the order, also within a millisecond
    return {
      ...given,
      id: newId({ ...clock, now: () => this.#lastAt }, random),
      at: clock.now(),
      text: given.text.slice(0, TEXT_CHARACTERS),
      data: fits ? data : { leftOut: `the data is larger than ${DATA_CHARACTERS} characters` },
    };
  }

  async #age(): Promise<void> {
    const { database, clock, config, logger } = this.#options;
    const limits = { maxAgeMs: config.maxAgeMs, keepMs: config.keepDays * DAY_MS };
    try {
      const given = await database.transaction((tx) => ageNotifications(tx, clock.now(), limits));
      if (given > 0) logger.error({ given }, 'notifications were given up for their age');
      this.#waiting = await senderFigures(database);
    } catch (error) {
      logger.error({ error }, 'the notification outbox could not be aged');
    }
  }
}

function sendersOf(config: NotificationConfig['senders'][number], clock: Clock): NotificationSender {
  return config.use === 'webhook' ? new WebhookSender(config, clock) : new MailSender(config);
}

function figures(metrics: Metrics, waiting: () => ReadonlyMap<string, SenderFigures>) {
  const labelled = (field: 'waiting' | 'dead') => () =>
    [...waiting()].map(([sender, figures]) => ({ labels: { sender }, value: figures[field] }));
  metrics.labelledGauge('notifications_waiting', 'Notifications waiting for a sender', ['sender'], labelled('waiting'));
  metrics.labelledGauge('notifications_dead', 'Notifications that a sender gave up', ['sender'], labelled('dead'));
  const attempts = 'Attempts to hand over a notification, by what came of it';
  return { attempts: metrics.counter('notification_attempts_total', attempts, ['sender', 'outcome']) };
}
