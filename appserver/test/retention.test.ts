import { silentLogger } from '@backhaul/runtime';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { readLedger } from '../src/queries/ledger.ts';
import { Retention } from '../src/store/retention.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const DAY_MS = 86_400_000;
const SETTINGS = {
  messagesDays: 30,
  ledgerDays: 90,
  eventKeysDays: 7,
  deadLettersDays: 90,
  commandsDays: 365,
  intervalMs: 3_600_000,
  rowsPerStep: 100,
};

describe('Retention', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  let clock: FakeClock;
  let retention: Retention;

  beforeEach(async () => {
    clock = new FakeClock(Date.now());
    test = await TestAppserver.create({ clock });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    const { database } = test.appserver;
    retention = new Retention({
      database,
      clock: { ...clockOf(clock), sleep: async () => undefined },
      logger: silentLogger,
      settings: SETTINGS,
    });
  });
  afterEach(() => test.stop());

  const clockOf = (fake: FakeClock) => ({
    now: () => fake.now(),
    monotonic: () => fake.monotonic(),
    after: fake.after.bind(fake),
  });
  const count = async (table: string) =>
    (await test.appserver.database.read<{ n: number }>(`SELECT COUNT(*) AS "n" FROM "${table}"`, []))[0]!.n;

  it('deletes messages past their time in small steps, and nothing younger', async () => {
    const source = new Sender(proxies[0]!);
    await test.accept(mlm, ...Array.from({ length: 256 }, () => source.data()));
    clock.jump(20 * DAY_MS);
    await test.accept(mlm, source.data());
    const before = await count('messages');
    clock.jump(11 * DAY_MS);
    const { commits } = test.appserver.database.stats();
    expect(await retention.prune()).to.be.at.least(256);
    expect(before - (await count('messages'))).to.be.at.least(256);
    expect(test.appserver.database.stats().commits - commits).to.be.greaterThan(3);
    expect(
      (await test.queries.from('messages').select('sequence').where('source', '=', source.id).execute()).map(
        ({ sequence }) => sequence,
      ),
    ).to.deep.equal([257]);
  });

  it('what has been pruned is still known to have been there: it is not taken again', async () => {
    const source = new Sender(proxies[0]!);
    const message = source.data();
    await test.accept(mlm, message);
    clock.jump(31 * DAY_MS);
    await retention.prune();
    expect(await test.accept(mlm, message)).to.deep.equal([{ accepted: true }]);
    expect(await test.queries.from('messages').select('id').where('source', '=', source.id).execute()).to.deep.equal(
      [],
    );
  });

  it('forgets receipts only below everything that is missing, and never says that they were delivered', async () => {
    const [source, by] = [new Sender(proxies[0]!), new Sender(mlm)];
    const filtered = (from: number, to: number) =>
      by.receipts([{ source: source.id, epoch: source.epoch, lane: 6, from, to, reason: 'filtered', rule: 'r' }]);
    await test.accept(
      mlm,
      source.data({}, { sequence: 1 }),
      filtered(2, 4),
      source.data({}, { sequence: 5 }),
      filtered(8, 9),
      source.data({}, { sequence: 10 }),
    );
    clock.jump(91 * DAY_MS);
    await retention.prune();
    const line = async () => (await readLedger(test.queries, source.id, { limit: 10 }, test.ledgerAround)).items[0]!;
    expect(await line()).to.include({ settledThrough: 4, delivered: 2, filtered: 2, inFlight: 2 });
    await test.accept(mlm, filtered(6, 7));
    await retention.prune();
    expect(await line()).to.include({ settledThrough: 4, delivered: 2, filtered: 4, unexplained: 0 });
    clock.jump(91 * DAY_MS);
    await retention.prune();
    expect(await line()).to.include({ settledThrough: 9, delivered: 1, filtered: 0, unexplained: 0 });
  });

  it('deletes commands and pushes long over, with all that belongs to them', async () => {
    await test.api('POST', '/commands', { destination: { group: 'site-a' }, command: 'ping' });
    expect(await count('commandMembers')).to.equal(3);
    clock.jump(366 * DAY_MS);
    await retention.prune();
    expect([await count('commands'), await count('commandMembers')]).to.deep.equal([0, 0]);
  });
});
