import { FakeClock, leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { Pace } from '../src/pace.ts';
import { type Lower, lower, type Upper, upper } from './support/hop.ts';
import { spoolEntries, spoolEntry } from './support/messages.ts';

describe('the pace of a backlog', () => {
  it('lets through what it says, on average', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock, { messagesPerSecond: 50 });
    let sent = 0;
    for (const end = clock.monotonic() + 20_000; clock.monotonic() < end; ) {
      const { maxMessages } = pace.bounded({ maxMessages: 256, maxBytes: 1 << 20 });
      pace.took({ lane: 6, entries: new Array(maxMessages), bytes: 1 });
      sent += maxMessages;
      await clock.advance(Math.max(1, pace.waitMs()));
    }
    expect(sent).to.be.within(1000, 1150);
  });

  it('counts bytes too, and no envelope is larger than a second of it', () => {
    const pace = new Pace(new FakeClock(), { bytesPerSecond: 10_000 });
    expect(pace.bounded({ maxMessages: 256, maxBytes: 1 << 20 })).to.deep.equal({ maxMessages: 256, maxBytes: 10_000 });
    pace.took({ lane: 8, entries: [1], bytes: 30_000 });
    expect(pace.waitMs()).to.be.within(1900, 2100);
  });

  it('does not count what is urgent, and nothing without limits', () => {
    const pace = new Pace(new FakeClock(), { messagesPerSecond: 1 });
    pace.took({ lane: 3, entries: new Array(100), bytes: 1 });
    expect(pace.waitMs()).to.equal(0);
    const free = new Pace(new FakeClock());
    free.took({ lane: 8, entries: new Array(100), bytes: 1e9 });
    expect(free.waitMs()).to.equal(0);
  });

  it('holds what is paced for as long as the parent says, a minute at most', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock);
    pace.hold(5000);
    pace.hold(1000);
    expect(pace.waitMs()).to.equal(5000);
    await clock.advance(5000);
    expect(pace.waitMs()).to.equal(0);
    pace.hold(1e9);
    expect(pace.waitMs()).to.equal(60_000);
  });

  describe('over a real line', () => {
    leakCheck({ before, after });
    let above: Upper;
    let below: Lower;
    beforeEach(async () => {
      above = await upper();
      below = await lower({ parents: [{ url: above.listener.url }], pace: { messagesPerSecond: 100 } });
      await until('greeted', () => below.uplink.status().connected);
    });
    afterEach(async () => {
      await below.stop();
      await above.stop();
    });

    it('a backlog drains no faster, and an urgent message passes it at once', async () => {
      const began = performance.now();
      await below.submit(spoolEntries(1, 350));
      await until('it has begun', () => above.handler.effects.length >= 100);
      const urgentAt = performance.now();
      await below.submit([spoolEntry(1000, { lane: 2 })]);
      await until('the urgent one is there', () => above.handler.effects.some(({ header }) => header.lane === 2));
      expect(performance.now() - urgentAt).to.be.below(300);
      await until('all is there', () => above.handler.effects.length === 351, 10_000);
      expect(performance.now() - began).to.be.within(1900, 5000);
    });

    for (const code of ['BH-E-QUOTA', 'BH-E-SPOOL-FULL']) {
      it(`${code}: a parent without room is not sent the whole backlog again and again; an urgent message passes`, async () => {
        const { handler, listener } = above;
        let asked = 0;
        handler.judge = ({ header: { lane } }) => {
          if (lane <= 3) return { accepted: true };
          asked += 1;
          return { accepted: false, code, retryable: true, waitMs: 60_000 };
        };
        const other = await lower({ id: 'c12345678.p2', parents: [{ url: listener.url }], maxMessages: 10, window: 2 });
        try {
          for (let n = 0; n < 20; n++) await other.submit(spoolEntries(1 + n * 100, 100));
          await until('it was asked', () => asked > 0);
          for (let n = 1; n <= 40; n++) {
            await other.submit([spoolEntry(9000 + n, { lane: 2 })]);
            await until('the urgent one is there', () => handler.effects.length === n);
          }
          expect(asked).to.be.below(100);
          expect(other.spool.depth().byLane[6]?.messages).to.equal(2000);
        } finally {
          await other.stop();
        }
      });
    }
  });
});
