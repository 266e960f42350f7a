import { type Logger, silentLogger, systemClock } from '@backhaul/runtime';
import { type Claim, commitChanges, DEAD_LETTER_LIMITS, LaneQueue, MemoryStore } from '@backhaul/spool';
import { sampleEntries, sampleEntry } from '@backhaul/spool/contract';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import type { MemoryLevel } from 'memory-level';
import { RECORD_LIMITS } from '../src/record.ts';

const ALL = { maxMessages: 100_000, maxBytes: 1e9 };
const ONE = { maxMessages: 1, maxBytes: 1e9 };

describe('LaneQueue', () => {
  let store: MemoryStore;
  beforeEach(async () => {
    store = new MemoryStore();
    await store.start();
  });
  afterEach(() => store.stop());

  const logged: string[] = [];
  const warn = ({ discarded }: { discarded: number }) => logged.push(`discarded ${discarded}`);
  const make = async (clock = systemClock): Promise<LaneQueue> => {
    const logger = { ...silentLogger, warn } as unknown as Logger;
    const spool = new LaneQueue({ store, clock, logger, prefix: 'up', maxBytes: 1e9, maxMessages: 1e6 });
    await spool.load();
    return spool;
  };
  const put = (spool: LaneQueue, count: number): Promise<void> =>
    commitChanges(store, [spool.stage(sampleEntries(count))]);
  const key = (number: number): string => `up/r/4/${String(number).padStart(12, '0')}`;
  const ids = async (spool: LaneQueue): Promise<string[]> =>
    (await spool.claim(ALL))?.entries.map(({ id }) => id) ?? [];

  it('S2: what is committed while the other cores still load again changes nothing', async () => {
    const spool = await make();
    await put(spool, 3);
    let refused = 0;
    store.onReopened(async () => {
      // loaded already, and the store does not take anything yet: an answer arrives, a message is handed in
      const claim = await spool.claim(ALL);
      const settled = spool.settle(
        claim!,
        claim!.entries.map(() => ({ outcome: 'accepted' as const })),
      );
      for (const change of [settled.change, spool.stage(sampleEntries(1))])
        await commitChanges(store, [change]).catch(() => (refused += 1));
    });
    store.failWrites(1);
    await put(spool, 1).catch(() => undefined);
    while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    expect(refused).to.equal(2);
    await put(spool, 1);
    const again = await make();
    expect((await again.load()).gaps).to.deep.equal([]);
    expect(again.depth().messages).to.equal(4);
  });

  it('S4: what was claimed, and settled in a commit that the store did not take, is claimable again', async () => {
    const spool = await make();
    await put(spool, 3);
    store.onReopened(async () => {
      // loaded already; the answer comes before the store takes anything
      const claim = (await spool.claim(ALL))!;
      const { change } = spool.settle(
        claim,
        claim.entries.map(() => ({ outcome: 'accepted' as const })),
      );
      await commitChanges(store, [change]).catch(() => spool.release(claim));
    });
    store.failWrites(1);
    await put(spool, 1).catch(() => undefined);
    while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    expect(spool.depth()).to.include({ messages: 3, inFlight: 0 });
    expect(await ids(spool)).to.have.length(3);
  });

  it('S4: a settlement that is never submitted leaves the claim to be released; one that was is beyond it', async () => {
    const spool = await make();
    await put(spool, 2);
    const claim = (await spool.claim(ALL))!;
    const verdicts = claim.entries.map(() => ({ outcome: 'accepted' as const }));
    spool.settle(claim, verdicts); // its receipts could not be made: nothing is committed
    spool.release(claim);
    const again = (await spool.claim(ALL))!;
    const { change } = spool.settle(again, verdicts);
    const committed = commitChanges(store, [change]);
    spool.release(again);
    await committed;
    expect(spool.depth()).to.include({ messages: 0, inFlight: 0 });
    expect(await ids(spool)).to.deep.equal([]);
  });

  it('S2: a settlement of a claim that was released meanwhile, or settled twice, changes nothing', async () => {
    const spool = await make();
    await put(spool, 2);
    const verdicts = [{ outcome: 'accepted' }, { outcome: 'retry', notBefore: 0 }] as const;
    const claim = (await spool.claim(ALL))!;
    const late = spool.settle(claim, verdicts);
    spool.release(claim);
    await commitChanges(store, [late.change]);
    expect(spool.depth()).to.include({ messages: 2, inFlight: 0 });
    const again = (await spool.claim(ALL))!;
    const changes = [spool.settle(again, verdicts), spool.settle(again, verdicts)].map(({ change }) => change);
    await commitChanges(store, changes);
    expect(spool.depth()).to.include({ messages: 1, inFlight: 0 });
  });

  describe('S7: a gap is reported', () => {
    it('in the middle, at the head and at the end of a lane', async () => {
      const spool = await make();
      for (let n = 0; n < 9; n += 1) await put(spool, 2);
      await store.commit([1, 4, 5, 9].map((number) => ({ type: 'del' as const, key: key(number) })));
      const again = await make();
      expect((await again.load()).gaps).to.deep.equal([key(1), `${key(4)}..000000000005`, key(9)]);
      expect(store.findings().map(({ code }) => code)).to.include('BH-E-SPOOL-GAP');
      expect(await ids(again)).to.have.length(10);
    });

    it('when head and next are missing', async () => {
      const spool = await make();
      await put(spool, 2);
      await store.commit([{ type: 'del', key: 'up/m/4' }]);
      const again = await make();
      expect((await again.load()).gaps).to.deep.equal(['up/m/4']);
      await put(again, 1);
      expect(await ids(again)).to.have.length(3);
    });

    it('when a record vanishes while it is waiting; the others are still sent', async () => {
      const large = { body: Buffer.alloc(RECORD_LIMITS.bytes - 1_000) };
      const spool = await make();
      for (let n = 0; n < 20; n += 1) await commitChanges(store, [spool.stage([sampleEntry(large)])]); // more than is kept in memory
      await store.commit([{ type: 'del', key: key(19) }]);
      expect(await ids(spool)).to.have.length(19);
      expect(store.findings()[0]!.detail).to.include(key(19));
      expect(spool.depth().messages).to.equal(19);
    });

    it('never for what has left in the middle', async () => {
      const spool = await make();
      for (let n = 0; n < 9; n += 1) await put(spool, 1);
      const claims = [];
      for (let n = 0; n < 9; n += 1) claims.push(await spool.claim({ ...ALL, maxMessages: 1 }));
      for (const n of [3, 4, 8])
        await commitChanges(store, [spool.settle(claims[n]!, [{ outcome: 'accepted' }]).change]);
      expect((await (await make()).load()).gaps).to.deep.equal([]);
    });
  });

  it('makes several records of a large batch, in order', async () => {
    const spool = await make();
    const entries = sampleEntries(RECORD_LIMITS.messages + 5);
    await commitChanges(store, [spool.stage(entries)]);
    expect((await (await make()).load()).records).to.equal(2);
    expect(await ids(spool)).to.deep.equal(entries.map(({ id }) => id));
  });

  it('a claim from before a reopening settles nothing: it will be sent again', async () => {
    const spool = await make();
    await put(spool, 2);
    const old = await spool.claim(ALL);
    store.failWrites(1);
    await put(spool, 1).catch(() => {});
    while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    const { change, removed } = spool.settle(old!, [
      { outcome: 'accepted' },
      { outcome: 'refused', code: 'BH-E-SCHEMA' },
    ]);
    await commitChanges(store, [change]);
    spool.release(old!);
    expect(removed).to.deep.equal([]);
    expect(await ids(spool)).to.deep.equal(old!.entries.map(({ id }) => id));
  });

  it('nor does one that was made while it was loading', async () => {
    const spool = await make();
    await put(spool, 3);
    const read = store.get.bind(store);
    const { promise: loaded, resolve: isLoaded } = Promise.withResolvers<void>();
    let early: Promise<Claim | undefined> | undefined;
    let late: Promise<Claim | undefined> | undefined;
    store.get = async (name) => {
      const value = await read(name);
      if (name === 'up/t') {
        early = spool.claim(ONE);
        await early;
        late = spool.claim(ONE);
      } else if (late !== undefined) await loaded;
      return value;
    };
    await spool.load();
    isLoaded();
    const claim = await early;
    expect(claim?.entries).to.have.length(1);
    expect(spool.settle(claim!, [{ outcome: 'accepted' }]).change.ops).to.deep.equal([]);
    expect(await late).to.equal(undefined);
    expect(await ids(spool)).to.have.length(3);
  });

  it('keeps no bodies of a backlog in memory beyond its cache', async () => {
    const spool = await make();
    const body = Buffer.alloc(RECORD_LIMITS.bytes - 1_000);
    for (let n = 0; n < 40; n += 1) await commitChanges(store, [spool.stage([sampleEntry({ body })])]);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (name) => {
      reads += 1;
      return get(name);
    };
    expect(await ids(spool)).to.have.length(40);
    expect(reads).to.be.within(20, 30);
  });

  it('wakes at the time of a retry', async () => {
    const clock = new FakeClock(1_000);
    const spool = await make(clock);
    await put(spool, 1);
    spool.release((await spool.claim(ALL))!, 6_000);
    let isReady = false;
    const waiting = spool.ready(new AbortController().signal).then(() => (isReady = true));
    await clock.advance(4_999);
    expect(isReady).to.equal(false);
    await clock.advance(1);
    await waiting;
    expect(await ids(spool)).to.have.length(1);
  });

  it('an entry that waits does not hold up its neighbours when another one expires', async () => {
    const clock = new FakeClock(1_000);
    const spool = await make(clock);
    const [a, b] = [sampleEntry({ expiresAt: 2_000 }), sampleEntry()];
    await commitChanges(store, [spool.stage([a, b])]);
    const claim = await spool.claim(ALL);
    const settled = spool.settle(claim!, [
      { outcome: 'retry', notBefore: 9_000 },
      { outcome: 'retry', notBefore: 0 },
    ]);
    await commitChanges(store, [settled.change]);
    await clock.advance(1_500);
    await commitChanges(store, [spool.expire(clock.now()).change]);
    expect(await ids(spool)).to.deep.equal([b.id]);
  });

  it('keeps dead letters to be looked at, the newest thousand', async () => {
    const spool = await make();
    const refuse = async (count: number, from = spool): Promise<void> => {
      await put(from, count);
      const claim = await from.claim(ALL);
      const verdicts = claim!.entries.map(
        () => ({ outcome: 'refused', code: 'BH-E-SCHEMA', detail: 'field' }) as const,
      );
      await commitChanges(store, [from.settle(claim!, verdicts).change]);
    };
    await refuse(3);
    const [first] = await spool.deadLetters({ limit: 1 });
    expect(first).to.deep.include({ number: 1, code: 'BH-E-SCHEMA', detail: 'field' });
    expect(first!.entry).to.include({ lane: 4, class: 'performance' });
    expect(await spool.deadLetter(1)).to.deep.equal(first);
    expect((await spool.deadLetters({ after: 1 })).map(({ number }) => number)).to.deep.equal([2, 3]);
    await commitChanges(store, [spool.removeDeadLetter(2)]);
    expect(spool.depth().deadLetters).to.equal(2);
    await refuse(1_000);
    expect(spool.depth().deadLetters).to.equal(1_000);
    const again = await make();
    expect(again.depth().deadLetters).to.equal(1_000);
    expect((await again.deadLetters({ limit: 1 }))[0]!.number).to.equal(4);
    expect(logged, 'a line a minute at most').to.deep.equal(['discarded 1']);
    await refuse(1, again);
    expect((await again.deadLetters({ after: 1_003 })).map(({ number }) => number)).to.deep.equal([1_004]);
  });

  it('the number of a dead letter that was removed is not given again, after a restart neither', async () => {
    const spool = await make();
    const add = (to: LaneQueue) => commitChanges(store, [to.addDeadLetter(sampleEntry(), 'BH-E-SCHEMA')]);
    await add(spool);
    await add(spool);
    await commitChanges(store, [spool.removeDeadLetter(2)]);
    const again = await make();
    await add(again);
    expect((await again.deadLetters()).map(({ number }) => number)).to.deep.equal([1, 3]);
  });

  it('keeps what is given up before it was spooled, within a number of bytes; a flood of one child discards its own', async () => {
    const spool = await make();
    const body = Buffer.alloc(DEAD_LETTER_LIMITS.bytes / 3);
    const letters = [sampleEntry({ via: 'c0000test.p7' }), sampleEntry({ body }), sampleEntry({ body })];
    for (const entry of letters) await commitChanges(store, [spool.addDeadLetter(entry, 'BH-E-INTERNAL', 'ten times')]);
    expect((await spool.deadLetter(1))!.entry).to.deep.equal(letters[0]);
    await commitChanges(store, [spool.addDeadLetter(sampleEntry({ body }), 'BH-E-INTERNAL')]);
    const numbers = async (from: LaneQueue) => (await from.deadLetters()).map(({ number }) => number);
    expect(await numbers(spool)).to.deep.equal([1, 3, 4]);
    expect(spool.depth()).to.include({ messages: 0, deadLetters: 3, deadLettersDiscarded: 1 });
    const again = await make();
    expect(await numbers(again)).to.deep.equal([1, 3, 4]);
    await commitChanges(store, [again.addDeadLetter(sampleEntry({ body }), 'BH-E-INTERNAL')]);
    expect(await numbers(again)).to.deep.equal([1, 4, 5]);
  });

  it('a dead letter that is damaged stops no start', async () => {
    const spool = await make();
    await commitChanges(store, [spool.addDeadLetter(sampleEntry(), 'BH-E-INTERNAL')]);
    await store.commit([{ type: 'put', key: 'up/d/000000000001', value: Buffer.from('nonsense') }]);
    expect((await make()).depth()).to.include({ deadLetters: 1 });
  });

  it('reads of a full spool only what has to leave', async () => {
    const spool = new LaneQueue({
      store,
      clock: new FakeClock(1_000),
      prefix: 'up',
      maxBytes: 1e9,
      maxMessages: 6_000,
    });
    await spool.load();
    const kinds = [{ persistent: true }, { expiresAt: 90_000, persistent: true }, { persistent: false }];
    const body = Buffer.alloc(1_000); // more than the cache holds
    for (let n = 0; n < 60; n += 1)
      await commitChanges(store, [spool.stage(sampleEntries(100, { ...kinds[n % 3]!, lane: 6, body }))]);
    await commitChanges(store, []);
    const again = new LaneQueue({
      store,
      clock: new FakeClock(1_000),
      prefix: 'up',
      maxBytes: 1e9,
      maxMessages: 6_000,
    });
    await again.load();
    let reads = 0;
    const getSync = store.getSync.bind(store);
    store.getSync = (name) => {
      reads += 1;
      return getSync(name);
    };
    expect(again.stage(sampleEntries(100, { lane: 2 })).removed).to.have.length(100);
    expect(reads).to.equal(1);
    expect(again.stage(sampleEntries(1, { lane: 6, persistent: true })).removed).to.have.length(1);
    expect(again.holdings(10).ranges).to.not.equal([]);
    expect(reads).to.equal(2);
    again.noteParentTime(1_000);
    expect(again.expire(89_999).removed).to.deep.equal([]);
    expect(reads, 'nothing was past its time').to.equal(2);
  });

  it('what stays behind, of thousands that have left, is still there', async () => {
    const spool = await make();
    await put(spool, 3_000);
    const claim = await spool.claim(ALL);
    const stays = (n: number): boolean => n % 100 === 7;
    const verdicts = claim!.entries.map((_, n) =>
      stays(n) ? ({ outcome: 'retry', notBefore: 0 } as const) : ({ outcome: 'accepted' } as const),
    );
    await commitChanges(store, [spool.settle(claim!, verdicts).change]);
    const expected = claim!.entries.filter((_, n) => stays(n)).map(({ id }) => id);
    expect(spool.holdings(100).ranges).to.have.length(30);
    expect(await ids(spool)).to.deep.equal(expected);
    expect(await ids(await make())).to.deep.equal(expected);
  });

  it('takes out what is past its time in short steps', async () => {
    const spool = await make(new FakeClock(1_000));
    for (let n = 0; n < 100; n += 1) await commitChanges(store, [spool.stage(sampleEntries(30, { expiresAt: 2_000 }))]);
    const steps: number[] = [];
    for (let removed = -1; removed !== 0; ) {
      const step = spool.expire(3_000);
      await commitChanges(store, [step.change]);
      removed = step.removed.length;
      steps.push(removed);
    }
    expect(Math.max(...steps)).to.be.within(1_000, 1_030);
    expect(steps.reduce((sum, count) => sum + count)).to.equal(3_000);
    expect(spool.depth().messages).to.equal(0);
  });

  describe('a wall clock that is set', () => {
    const YEAR_MS = 365 * 86_400_000;
    const HOUR_MS = 3_600_000;
    const putFor = (spool: LaneQueue, clock: FakeClock, ms: number): Promise<void> =>
      commitChanges(store, [spool.stage([sampleEntry({ receivedAt: clock.now(), expiresAt: clock.now() + ms })])]);

    it('a year ahead expires nothing; the time left goes on as before', async () => {
      const clock = new FakeClock();
      const spool = await make(clock);
      await putFor(spool, clock, HOUR_MS);
      clock.jump(YEAR_MS);
      await clock.advance(HOUR_MS / 2);
      expect(spool.expire(clock.now()).removed).to.deep.equal([]);
      const claim = await spool.claim(ALL);
      expect(claim!.entries[0]!.expiresAt! - clock.now()).to.equal(HOUR_MS / 2);
      expect(claim!.entries[0]!.receivedAt - clock.now()).to.equal(-HOUR_MS / 2);
    });

    it('a year back keeps nothing alive, and holds up no retry', async () => {
      const clock = new FakeClock();
      const spool = await make(clock);
      await putFor(spool, clock, HOUR_MS);
      clock.jump(-YEAR_MS);
      spool.release((await spool.claim(ALL))!, clock.now() + 5_000);
      clock.jump(-YEAR_MS);
      await clock.advance(4_999);
      expect(await spool.claim(ALL)).to.equal(undefined);
      await clock.advance(1);
      const claim = await spool.claim(ALL);
      expect(claim!.entries).to.have.length(1);
      spool.release(claim!);
      await clock.advance(HOUR_MS - 5_000);
      expect(spool.expire(clock.now()).removed).to.have.length(1);
    });

    it('wrong at a start: nothing expires before the parent was heard, and then by its clock', async () => {
      const clock = new FakeClock();
      const first = await make(clock);
      await putFor(first, clock, HOUR_MS);
      await putFor(first, clock, 2 * HOUR_MS);
      await clock.advance(1_000);
      clock.jump(YEAR_MS);
      const again = await make(clock);
      expect(again.expire(clock.now()).removed).to.deep.equal([]);
      expect(await again.claim(ALL), 'it seems past its time').to.equal(undefined);
      again.noteParentTime(clock.now() - YEAR_MS + HOUR_MS - 1_000); // off for an hour
      expect(again.expire(clock.now()).removed).to.have.length(1);
      expect(again.depth().oldestAt).to.equal(clock.now() - HOUR_MS);
    });

    it('wrong at a start, and no parent: the own clock decides after a minute', async () => {
      const clock = new FakeClock();
      await putFor(await make(clock), clock, HOUR_MS);
      clock.jump(YEAR_MS);
      const again = await make(clock);
      await clock.advance(59_000);
      expect(again.expire(clock.now()).removed).to.deep.equal([]);
      await clock.advance(1_000);
      expect(again.expire(clock.now()).removed).to.have.length(1);
    });
  });

  it('refuses lanes that do not exist', async () => {
    const spool = await make();
    expect(() => spool.stage([sampleEntry({ lane: 9 })])).to.throw('BH-E-INTERNAL');
  });
});

describe('LevelValues', () => {
  it('R1: every batch is synced', async () => {
    const { LevelValues } = await import('../src/level-values.ts');
    const { MemoryLevel: Memory } = await import('memory-level');
    const database: MemoryLevel<string, Buffer> = new Memory({ valueEncoding: 'buffer', storeEncoding: 'buffer' });
    await database.open();
    const asked: unknown[] = [];
    const batch = database.batch.bind(database) as () => ReturnType<typeof database.batch>;
    Object.assign(database, {
      batch: () => {
        const made = batch();
        const write = made.write.bind(made);
        const noted = (options: object): Promise<void> => {
          asked.push(options);
          return write(options);
        };
        return Object.assign(made, { write: noted });
      },
    });
    await new LevelValues(database as never, () => {}).write([{ type: 'put', key: 'a', value: Buffer.from('a') }]);
    expect(asked).to.deep.equal([{ sync: true }]);
    await database.close();
  });
});
