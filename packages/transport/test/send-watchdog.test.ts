import { Metrics, silentLogger } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, type Spool } from '@backhaul/spool';
import { sampleEntries } from '@backhaul/spool/contract';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import type { ParentSet } from '../src/parent-set.ts';
import { SendWatchdog, type SendWatchdogOptions } from '../src/send-watchdog.ts';
import { uplinkMetrics } from '../src/uplink-metrics.ts';

describe('the watchdog of a sender', () => {
  let clock: FakeClock;
  let messages: number;
  let nextRetryAt: number | undefined;
  let connected: boolean;
  let pauseMs: number;
  let begun: number;
  let oldestSend: number | undefined;
  let watchdog: SendWatchdog;
  const metrics = uplinkMetrics(new Metrics('proxy'), { connected: () => true, inFlight: () => 0 });
  const parents = {
    health: () => ({ connected }),
    pauseMs: () => pauseMs,
    current: () => ({ greeted: connected }),
  } as unknown as ParentSet;

  const watch = (parts: Pick<SendWatchdogOptions, 'spool' | 'store'>) =>
    new SendWatchdog({
      ...{ clock, parents, logger: silentLogger, metrics, ...parts },
      oldestSend: () => oldestSend,
      beginAnew: () => void begun++,
    });

  beforeEach(() => {
    clock = new FakeClock();
    [messages, nextRetryAt, connected, pauseMs, begun, oldestSend] = [5, undefined, true, 0, 0, undefined];
    watchdog = watch({
      spool: { depth: () => ({ messages, nextRetryAt }), underWay: () => ({}) } as unknown as Spool,
      store: { state: 'open', reopen: () => expect.fail('nothing was forgotten') },
    });
    watchdog.start();
  });
  afterEach(() => watchdog.stop());

  it('begins a sender anew that could send and does not, says since when, and does so again', async () => {
    const from = clock.now();
    await clock.advance(59_000);
    expect([begun, watchdog.stalledAt]).to.deep.equal([0, undefined]);
    await clock.advance(11_000);
    expect(begun).to.equal(1);
    expect(watchdog.stalledAt! - from).to.be.within(0, 10_000);
    await clock.advance(70_000);
    expect([begun, watchdog.stalls]).to.deep.equal([2, 2]);
    watchdog.progress();
    expect(watchdog.stalledAt).to.equal(undefined);
  });

  const EXCUSES: Readonly<Record<string, () => void>> = {
    'nothing waits': () => (messages = 0),
    'everything waits for its time': () => (nextRetryAt = 1),
    'the parent is away': () => (connected = false),
    'the parent has asked for a pause': () => (pauseMs = 1000),
  };
  for (const [why, excuse] of Object.entries(EXCUSES))
    it(`leaves it alone while ${why}`, async () => {
      excuse();
      await clock.advance(600_000);
      expect([begun, watchdog.stalledAt]).to.deep.equal([0, undefined]);
    });

  it('leaves it alone while exchanges end, well or not', async () => {
    for (let i = 0; i < 20; i++) {
      await clock.advance(30_000);
      watchdog.progress();
    }
    expect(begun).to.equal(0);
  });

  describe('messages that were forgotten in memory while others move', () => {
    const ALL = { maxMessages: 100, maxBytes: 1e6 };
    let store: MemoryStore;
    let spool: LaneQueue;
    let guard: SendWatchdog;

    beforeEach(async () => {
      store = new MemoryStore();
      await store.start();
      spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
      await spool.load();
      guard = watch({ spool, store });
      guard.start();
    });
    afterEach(async () => {
      await guard.stop();
      await store.stop();
    });

    const put = (count: number) =>
      commitChanges(store, [spool.stage(sampleEntries(count, { receivedAt: clock.now() }))]);
    const accepted = { outcome: 'accepted' } as const;
    /** Heartbeats that are sent at once and accepted. */
    const minutes = async (count: number): Promise<void> => {
      for (let beat = 0; beat < count * 6; beat++) {
        if (store.state === 'open') {
          await put(1);
          const claim = (await spool.claim({ ...ALL, maxMessages: 1 }))!;
          const settled = spool.settle(claim, [accepted]);
          await commitChanges(store, [settled.change]);
        }
        guard.progress();
        await clock.advance(10_000);
      }
    };

    it('claimed, and not being sent: they are sent after a minute', async () => {
      await put(10);
      await spool.claim(ALL);
      await minutes(1);
      expect(store.stats().recoveries).to.equal(0);
      await minutes(1);
      expect(store.stats().recoveries).to.equal(1);
      expect(spool.depth()).to.include({ messages: 10, inFlight: 0 });
    });

    it('claimed, and sent for an hour: they are left alone', async () => {
      oldestSend = clock.monotonic();
      await put(10);
      await spool.claim(ALL);
      await minutes(60);
      expect(store.stats().recoveries).to.equal(0);
      expect(spool.depth()).to.include({ messages: 10, inFlight: 10 });
    });

    it('settled in a commit of which nothing was heard: nothing else shows it', async () => {
      await put(10);
      const claim = (await spool.claim(ALL))!;
      void spool.settle(
        claim,
        claim.entries.map(() => accepted),
      ).change.ops;
      await minutes(2);
      expect(store.stats().recoveries).to.equal(1);
    });

    it('submitted, and never written: what comes behind them goes on after a minute', async () => {
      void spool.stage(sampleEntries(1)).ops;
      await put(1);
      expect(await spool.claim(ALL), 'the lane is blocked').to.equal(undefined);
      await clock.advance(80_000);
      expect(store.stats().recoveries).to.equal(1);
      expect((await spool.claim(ALL))?.entries).to.have.length(1);
    });

    it('are left alone while the parent is away', async () => {
      connected = false;
      await put(10);
      await spool.claim(ALL);
      await clock.advance(600_000);
      expect(store.stats().recoveries).to.equal(0);
    });
  });
});
