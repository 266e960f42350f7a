import { join } from 'node:path';
import { BackhaulError, Metrics, silentLogger } from '@backhaul/runtime';
import { FakeClock, seededRandom, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { notificationRoutes } from '../src/api/notification-routes.ts';
import type { NewNotification, Notification, NotificationSender } from '../src/notifications/notification.ts';
import { type NotificationConfig, notificationConfig } from '../src/notifications/notification-config.ts';
import { NOTIFICATION_MIGRATIONS } from '../src/notifications/notification-store.ts';
import { Notifications } from '../src/notifications/notifications.ts';
import { CORE_MIGRATIONS } from '../src/store/core-migrations.ts';
import type { Scope } from '../src/store/scope.ts';
import { ScopedQueries } from '../src/store/scoped-queries.ts';
import { SqliteDatabase } from '../src/store/sqlite-database.ts';

const MINUTE = 60_000;

/** A sender whose receiver does as it is told. */
class TestSender implements NotificationSender {
  readonly use = 'webhook';
  readonly target = 'test';
  readonly name: string;
  readonly filter;
  readonly taken: Notification[] = [];
  attempts = 0;
  behave: () => Promise<void> = async () => undefined;

  constructor(name: string, filter: NotificationSender['filter'] = {}) {
    this.name = name;
    this.filter = filter;
  }

  async send(notification: Notification): Promise<void> {
    this.attempts++;
    await this.behave();
    this.taken.push(notification);
  }

  async close(): Promise<void> {}
}

const NEWS: NewNotification = {
  ...{ kind: 'component.overdue', severity: 'major', customer: 'c1', site: 'site-a', subject: 'c1.p1' },
  text: 'proxy c1.p1 is overdue',
};
const busy = async () => {
  throw new BackhaulError('BH-E-NOTIFY', { detail: 'HTTP 503' });
};

describe('Notifications: the outbox', () => {
  let folder: TemporaryDirectory;
  let database: SqliteDatabase;
  let clock: FakeClock;
  let notifications: Notifications;
  let sender: TestSender;

  const open = async (senders: readonly NotificationSender[], config: Partial<NotificationConfig> = {}) => {
    notifications = new Notifications({
      ...{ database, clock, random: seededRandom(7), logger: silentLogger, metrics: new Metrics('appserver'), senders },
      config: { ...notificationConfig.parse({}), ...config },
    });
    await notifications.start();
  };
  const notify = (more: Partial<NewNotification> = {}) =>
    database.transaction((tx) => notifications.notify(tx, { ...NEWS, ...more }));
  const deliveries = () => database.reader.selectFrom('notificationDeliveries').selectAll().execute();

  beforeEach(async () => {
    folder = await temporaryDirectory('backhaul-notifications-');
    clock = new FakeClock();
    sender = new TestSender('desk');
    const migrations = [...CORE_MIGRATIONS, ...NOTIFICATION_MIGRATIONS];
    database = new SqliteDatabase({ path: join(folder.path, 'store.sqlite'), migrations });
    await database.start();
  });
  afterEach(async () => {
    await notifications.stop();
    await database.stop();
    await folder.remove();
  });

  it('hands over what it was given, once it is committed, under one id', async () => {
    await open([sender]);
    const id = await notify({ data: { component: 'c1.p1' } });
    await until('it is taken', () => sender.taken.length === 1);
    expect(sender.taken[0]).to.deep.include({ ...NEWS, id, data: { component: 'c1.p1' } });
    await until('it is settled', async () => (await deliveries())[0]?.state === 'sent');
  });

  it('what is undone is not told', async () => {
    await open([sender]);
    const undone = database.transaction(async (tx) => {
      await notifications.notify(tx, NEWS);
      throw new Error('undone');
    });
    await undone.catch(() => undefined);
    await notify({ subject: 'after' });
    await until('the other is taken', () => sender.taken.length > 0);
    expect(sender.taken.map(({ subject }) => subject)).to.deep.equal(['after']);
  });

  it('gives each sender what its filter lets pass', async () => {
    const filters = [
      { kinds: ['alarm.*'] }, { kinds: ['component.overdue'] }, { customers: ['c2'] }, { severities: ['critical' as const] }, {},
    ]; // biome-ignore format: one list
    const senders = filters.map((filter, index) => new TestSender(`s${index}`, filter));
    await open(senders);
    await notify();
    await notify({ kind: 'alarm.open', customer: 'c2', severity: 'critical' });
    await until('all are taken', () => senders[4]!.taken.length === 2);
    const kinds = senders.map(({ taken }) => taken.map(({ kind }) => kind).join(' '));
    const alarm = 'alarm.open';
    expect(kinds).to.deep.equal([alarm, 'component.overdue', alarm, alarm, `component.overdue ${alarm}`]);
  });

  it('tries again with growing waits, until it is taken', async () => {
    await open([sender]);
    sender.behave = busy;
    await notify();
    await until('a first attempt', () => sender.attempts === 1);
    const waits: number[] = [];
    for (let attempt = 1; attempt < 8; attempt++) {
      await until('it is put off', async () => (await deliveries())[0]?.attempts === attempt);
      waits.push((await deliveries())[0]!.nextAt - clock.now());
      await until('somebody waits', () => clock.pending > 1);
      await clock.advance(waits.at(-1)! + 1);
      await until('another attempt', () => sender.attempts === attempt + 1);
    }
    for (const [index, wait] of waits.entries())
      expect(wait).to.be.within(1_000, Math.min(900_000, 10_000 * 2 ** index));
    expect(Math.max(...waits)).to.be.above(60_000);
    sender.behave = async () => undefined;
    await until('somebody waits', () => clock.pending > 1);
    await clock.advance(900_001);
    await until('it is taken', () => sender.taken.length === 1);
  });

  it('waits as long as the receiver asks', async () => {
    await open([sender]);
    sender.behave = async () => {
      throw new BackhaulError('BH-E-NOTIFY', { detail: 'HTTP 429', retryAfterMs: 30 * MINUTE });
    };
    await notify();
    await until('it is put off', async () => (await deliveries())[0]?.attempts === 1);
    expect((await deliveries())[0]!.nextAt - clock.now()).to.equal(30 * MINUTE);
  });

  it('what is refused for good is dead at once, and listed with the reason', async () => {
    await open([sender]);
    sender.behave = async () => {
      throw new BackhaulError('BH-E-NOTIFY-REFUSED', { detail: 'HTTP 422' });
    };
    await notify();
    await until('it is dead', async () => (await deliveries())[0]?.state === 'dead');
    expect((await deliveries())[0]).to.include({ code: 'BH-E-NOTIFY-REFUSED', detail: 'HTTP 422', attempts: 1 });
    expect((await notifications.report())[0]).to.include({ name: 'desk', dead: 1, waiting: 0 });
  });

  it('what is too old is given up; what was kept long enough is forgotten', async () => {
    await open([sender], { maxAgeMs: 60 * MINUTE, keepDays: 1 });
    sender.behave = busy;
    await notify();
    await until('a first attempt', async () => (await deliveries())[0]?.attempts === 1);
    clock.jump(61 * MINUTE);
    await until('it is given up', async () => {
      await clock.advance(MINUTE);
      return (await deliveries())[0]?.state === 'dead';
    });
    clock.jump(25 * 60 * MINUTE);
    await until('it is forgotten', async () => {
      await clock.advance(MINUTE);
      return (await deliveries()).length === 0;
    });
  });

  it('of too many that wait the oldest are given up', async () => {
    await open([sender], { maxWaiting: 3 });
    sender.behave = () => new Promise(() => undefined);
    const ids = [];
    for (let n = 0; n < 6; n++) {
      ids.push(await notify({ subject: `n${n}` }));
      await clock.advance(1);
    }
    const dead = (await deliveries()).filter(({ state }) => state === 'dead').map(({ notification }) => notification);
    expect(dead).to.have.members(ids.slice(0, 3));
  });

  it('a customer with a flood of news pushes out its own, nobody else’s [T-A36]', async () => {
    await open([sender], { maxWaiting: 1_000 });
    sender.behave = () => new Promise(() => undefined);
    const other = await notify({ customer: 'c2' });
    await database.transaction(async (tx) => {
      for (let n = 0; n < 1_100; n++) await notifications.notify(tx, NEWS);
    });
    const waiting = (await deliveries()).filter(({ state }) => state === 'waiting');
    expect(waiting.map(({ notification }) => notification)).to.include(other);
    expect(waiting.filter(({ customer }) => customer === 'c1')).to.have.length(100);
  });

  it('one that hangs delays nobody else', async () => {
    const hanging = new TestSender('hanging');
    hanging.behave = () => new Promise(() => undefined);
    await open([hanging, sender]);
    for (let n = 0; n < 5; n++) await notify();
    await until('the others are taken', () => sender.taken.length === 5);
    expect(hanging.attempts).to.equal(1);
  });

  it('a restart neither forgets nor gives up: at least once, with the same id', async () => {
    await open([sender]);
    sender.behave = () => new Promise(() => undefined);
    const id = await notify();
    await until('an attempt is under way', () => sender.attempts === 1);
    await notifications.stop();
    const next = new TestSender('desk');
    await open([next]);
    await until('it is taken', () => next.taken.length === 1);
    expect(next.taken[0]!.id).to.equal(id);
  });

  it('what was handed over is not handed over again while the store takes nothing', async () => {
    await open([sender]);
    const { transaction } = database;
    let refused = 0;
    sender.behave = async () => {
      database.transaction = () => {
        refused++;
        return Promise.reject(new BackhaulError('BH-E-SPOOL-STOPPED', { detail: 'full' }));
      };
    };
    await notify();
    for (let attempt = 1; attempt < 10; attempt++) {
      await until('it cannot be recorded, and somebody waits', () => refused === attempt && clock.pending > 1);
      await clock.advance(5_000);
    }
    await until('somebody waits', () => refused === 10 && clock.pending > 1);
    expect(sender.attempts).to.equal(1);
    database.transaction = transaction;
    sender.behave = async () => undefined;
    await clock.advance(5_000);
    await until('it is recorded', async () => (await deliveries())[0]?.state === 'sent');
    expect(sender.attempts).to.equal(1);
    await notify({ subject: 'after' });
    await until('the next is taken', () => sender.taken.length === 2);
  });

  it('what waits for a sender that is gone says so', async () => {
    await open([sender]);
    sender.behave = busy;
    await notify();
    await until('a first attempt', async () => (await deliveries())[0]?.attempts === 1);
    await notifications.stop();
    await open([]);
    expect((await deliveries())[0]).to.include({ state: 'dead', detail: 'the sender is no longer configured' });
  });

  it('data that is too large is left out, text that is too long is cut', async () => {
    await open([sender]);
    await notify({ text: 'x'.repeat(10_000), data: { blob: 'y'.repeat(20_000) } });
    await until('it is taken', () => sender.taken.length === 1);
    expect(sender.taken[0]!.text).to.have.length(4_000);
    expect(Object.keys(sender.taken[0]!.data)).to.deep.equal(['leftOut']);
  });

  it('senders are the provider’s: nobody with a part of the customers sees or uses them', async () => {
    await open([sender]);
    const call = async (path: string, scope: Scope) => {
      const found = notificationRoutes.find((route) => route.path === path)!;
      const request = { services: { notifications }, queries: new ScopedQueries(database.reader, scope) };
      return found.handle({ ...request, params: { name: 'desk' } } as unknown as Parameters<typeof found.handle>[0]);
    };
    const some: Scope = { kind: 'grants', grants: [{ customer: 'c1' }] };
    expect(await call('/notification-senders', some)).to.deep.equal({ items: [] });
    expect(await call('/notification-senders', { kind: 'everything' })).to.have.nested.property(
      'items[0].name',
      'desk',
    );
    const refused = await call('/notification-senders/:name/test', some).catch(({ code }) => code);
    expect(refused).to.equal('BH-E-NOT-FOUND');
    expect(sender.taken).to.have.length(0);
  });
});
