import { Metrics, silentLogger } from '@backhaul/runtime';
import type { Spool } from '@backhaul/spool';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import type { ParentSet } from '../src/parent-set.ts';
import { SendWatchdog } from '../src/send-watchdog.ts';
import { uplinkMetrics } from '../src/uplink-metrics.ts';

describe('the watchdog of a sender', () => {
  let clock: FakeClock;
  let messages: number;
  let nextRetryAt: number | undefined;
  let connected: boolean;
  let pauseMs: number;
  let begun: number;
  let watchdog: SendWatchdog;

  beforeEach(() => {
    clock = new FakeClock();
    [messages, nextRetryAt, connected, pauseMs, begun] = [5, undefined, true, 0, 0];
    watchdog = new SendWatchdog({
      spool: { depth: () => ({ messages, nextRetryAt }) } as unknown as Spool,
      parents: { health: () => ({ connected }), pauseMs: () => pauseMs } as unknown as ParentSet,
      ...{
        clock,
        logger: silentLogger,
        metrics: uplinkMetrics(new Metrics('proxy'), { connected: () => true, inFlight: () => 0 }),
      },
      beginAnew: () => void begun++,
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
});
