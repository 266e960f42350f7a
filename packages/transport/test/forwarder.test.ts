import { Metrics, silentLogger, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import PQueue from 'p-queue';
import { Forwarder, type ForwarderOptions } from '../src/forwarder.ts';
import { Pace } from '../src/pace.ts';
import { uplinkMetrics } from '../src/uplink-metrics.ts';
import { spoolEntries } from './support/messages.ts';

describe('the forwarder', () => {
  it('sends at once when another parent may be used before the wait that the last one told is over', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore();
    await store.start();
    const spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
    await spool.load();
    await commitChanges(store, [spool.stage(spoolEntries(1, 5))]);
    let pauseMs = 900_000;
    let sent = 0;
    const forwarder = new Forwarder({
      ...{ clock, store, spool, random: systemRandom, logger: silentLogger, window: 8, maxMessages: 256 },
      parents: { pauseMs: () => pauseMs, failing: false, current: () => ({ greeted: true }) },
      sender: {
        budget: () => 1e6,
        send: async ({ entries }: { entries: readonly unknown[] }) => {
          sent += entries.length;
          return entries.map(() => ({ accepted: true }));
        },
      },
      ...{ sends: new PQueue({ concurrency: 8 }), pace: new Pace(clock), onFenced: () => {}, onProgress: () => {} },
      onRemoved: () => ({ ops: [], applied: () => {} }),
      metrics: uplinkMetrics(new Metrics('proxy'), { connected: () => true, inFlight: () => 0 }),
    } as unknown as ForwarderOptions);
    const stopping = new AbortController();
    const running = forwarder.run(stopping.signal);
    await clock.advance(1_000);
    expect([sent, clock.pending]).to.deep.equal([0, 1]);
    pauseMs = 0;
    forwarder.wake();
    await until('all are sent', () => spool.depth().messages === 0);
    expect(sent).to.equal(5);
    stopping.abort();
    await running;
    expect(clock.pending).to.equal(0);
  });
});
