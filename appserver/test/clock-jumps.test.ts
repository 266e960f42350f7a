import { silentLogger, systemRandom } from '@backhaul/runtime';
import { FakeClock, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { allMigrations } from '../src/store/all-migrations.ts';
import { ClockJumps } from '../src/store/clock-jumps.ts';
import { Facts } from '../src/store/facts.ts';
import { databasePath, SqliteDatabase } from '../src/store/sqlite-database.ts';
import { TestAppserver } from './support/test-appserver.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;

describe('ClockJumps', () => {
  let folder: TemporaryDirectory;
  let database: SqliteDatabase;
  let clock: FakeClock;
  const moved: [number, number][] = [];

  const begin = async () => {
    database = new SqliteDatabase({ path: databasePath(folder.path), migrations: allMigrations([]) });
    await database.start();
    const facts = new Facts(database);
    await facts.load(systemRandom);
    const move = async (_tx: unknown, ms: number, before: number) => void moved.push([ms, before]);
    const jumps = new ClockJumps({ database, facts, clock, logger: silentLogger, move });
    await jumps.load();
    return jumps;
  };
  const again = async () => {
    await database.stop();
    return begin();
  };
  beforeEach(async () => {
    folder = await temporaryDirectory();
    clock = new FakeClock();
    moved.length = 0;
  });
  afterEach(async () => {
    await database.stop();
    await folder.remove();
  });

  it('a clock that is set moves what waits, once, forwards and back; one that goes on or is off by seconds does not', async () => {
    const jumps = await begin();
    for (const ms of [1_000, 59_000, HOUR_MS]) {
      await clock.advance(ms);
      await jumps.look();
    }
    clock.jump(9_000);
    await jumps.look();
    expect(moved).to.deep.equal([]);
    const before = clock.now() - 9_000;
    clock.jump(YEAR_MS);
    await jumps.look();
    await jumps.look();
    expect(moved).to.deep.equal([[YEAR_MS + 9_000, before]]);
    clock.jump(-2 * YEAR_MS);
    await jumps.look();
    expect(moved.map(([ms]) => ms)).to.deep.equal([YEAR_MS + 9_000, -2 * YEAR_MS]);
  });

  it('many small steps add up to one that counts', async () => {
    const jumps = await begin();
    for (let step = 0; step < 20; step++) {
      clock.jump(1_000);
      await clock.advance(61_000);
      await jumps.look();
    }
    expect(moved.map(([ms]) => ms)).to.deep.equal([11_000]);
  });

  it('from one run to the next the difference is time off, never a negative one', async () => {
    await begin();
    clock.jump(DAY_MS);
    await again();
    expect(moved).to.deep.equal([]);
    const before = clock.now();
    clock.jump(-YEAR_MS);
    await again();
    expect(moved).to.deep.equal([[-YEAR_MS, before]]);
    await again();
    expect(moved).to.have.length(1);
  });

  it('pruning gains on a clock that is ahead by two days for each that is lived, through restarts, and never passes it', async () => {
    let jumps = await begin();
    const start = clock.now();
    clock.jump(YEAR_MS);
    expect(jumps.believed()).to.equal(start);
    for (const way of ['lives', 'starts again'] as const) {
      await clock.advance(DAY_MS);
      await jumps.look();
      if (way === 'starts again') jumps = await again();
    }
    expect(jumps.believed()).to.equal(start + 4 * DAY_MS);
    clock.jump(-YEAR_MS);
    expect(jumps.believed(), 'right again')
      .to.equal(clock.now())
      .and.equal(start + 2 * DAY_MS);
    await clock.advance(HOUR_MS);
    expect(jumps.believed()).to.equal(clock.now());
  });
});

describe('An application server whose clock is set', () => {
  it('ends no command and deletes no message for that, and ends a command after the time it had', async () => {
    const clock = new FakeClock(Date.now());
    const test = await TestAppserver.create({ clock, config: { retention: { intervalMs: 60_000 } } });
    try {
      const { mlms, proxies } = await test.addSite();
      const destination = { component: proxies[0]! };
      const sent = await test.api('POST', '/commands', { destination, command: 'ping', expiresInMs: 300_000 });
      const state = async () => (await test.api('GET', `/commands/${sent.body.id}`)).body.members[0].state;
      const waiting = () => test.appserver.core.mailboxes.read(mlms[0]!, { maxMessages: 100, maxBytes: 1e6 });
      const holds = async () => (await waiting()).messages.some(({ id }) => id === sent.body.id);
      const messages = async () => (await test.queries.from('messages').select('id').execute()).length;
      const pass = async (ms: number) => {
        for (let left = ms; left > 0; left -= 5_000) {
          await clock.advance(5_000);
          await test.appserver.database.transaction(async () => undefined); // whatever was begun is through
        }
      };
      await pass(5_000);
      const before = await messages();
      for (const ms of [YEAR_MS, -2 * YEAR_MS]) {
        clock.jump(ms);
        await pass(70_000);
        expect([await state(), await holds()], `${ms}`).to.deep.equal(['pending', true]);
        expect(await messages()).to.equal(before);
      }
      await pass(240_000);
      expect([await state(), await holds()]).to.deep.equal(['expired', false]);
    } finally {
      await test.stop();
    }
  });
});
