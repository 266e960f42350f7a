import { Metrics, silentLogger, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import PQueue from 'p-queue';
import { Forwarder, type ForwarderOptions } from '../src/forwarder.ts';
import { Pace } from '../src/pace.ts';
import { uplinkMetrics } from '../src/uplink-metrics.ts';
import { spoolEntries } from './support/messages.ts';

interface Outgoing {
  readonly entries: readonly { readonly lane: number }[];
}

/** A forwarder with a spool of its own, over a sender that is told what to say. */
async function forwarderOf(parts: {
  clock: FakeClock;
  sender: {
    budget: (way: string) => number;
    connections?: () => number;
    send: (outgoing: Outgoing) => Promise<readonly { accepted: true }[]>;
  };
  pauseMs?: () => number;
  pace?: Pace;
  turns?: { readonly isTaken: boolean };
}) {
  const { clock, sender, pauseMs = () => 0, pace = new Pace(clock), turns = { isTaken: false } } = parts;
  const store = new MemoryStore();
  await store.start();
  const spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
  await spool.load();
  const put = (...entries: ReturnType<typeof spoolEntries>) => commitChanges(store, [spool.stage(entries)]);
  const forwarder = new Forwarder({
    ...{ clock, store, spool, random: systemRandom, logger: silentLogger, window: 8, maxMessages: 256 },
    parents: { pauseMs, failing: false, current: () => ({ greeted: true }) },
    ...{ sender: { connections: () => Number.POSITIVE_INFINITY, ...sender }, pace, turns },
    ...{ sends: new PQueue({ concurrency: 8 }), onFenced: () => {}, onProgress: () => {} },
    onRemoved: () => ({ ops: [], applied: () => {} }),
    metrics: uplinkMetrics(new Metrics('proxy'), { connected: () => true, inFlight: () => 0 }),
  } as unknown as ForwarderOptions);
  return { spool, put, forwarder };
}

const accepted = ({ entries }: Outgoing) => entries.map(() => ({ accepted: true }) as const);

/** Runs until the test has ended, however it did; then everything is answered that was sent. */
function runningUntilTheEnd(forwarder: Forwarder, answers: readonly (() => void)[]): AsyncDisposable {
  const stopping = new AbortController();
  const running = forwarder.run(stopping.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
      for (const answer of answers) answer();
      await forwarder.settled();
    },
  };
}

describe('the forwarder', () => {
  it('sends what is urgent past a backlog that has to wait, for the line or by a pace', async () => {
    const clock = new FakeClock();
    const sent: number[] = [];
    const answers: (() => void)[] = [];
    const sender = {
      budget: (way: string) => (way === 'urgent' || sent.length === 0 ? 1e6 : 0),
      send: async (outgoing: Outgoing) => {
        sent.push(outgoing.entries[0]!.lane);
        if (outgoing.entries[0]!.lane > 3) await new Promise<void>((resolve) => answers.push(resolve));
        return accepted(outgoing);
      },
    };
    const pace = new Pace(clock, { messagesPerSecond: 1 });
    const { spool, put, forwarder } = await forwarderOf({ clock, sender, pace });
    await using _ = runningUntilTheEnd(forwarder, answers);
    const [bulk, alarm] = [spoolEntries(1, 20, { lane: 8 }), spoolEntries(1, 1, { lane: 2 })];
    await put(...bulk);
    await until('the first of the backlog is under way', () => sent.length === 1);
    await put(...alarm);
    await until('the alarm has gone', () => spool.depth().messages === 20);
    expect(sent).to.deep.equal([8, 2]);
  });

  it('lets an alarm wait for the answer to another where that is sooner than a new connection over a thin line', async () => {
    const sent: number[] = [];
    const answers: (() => void)[] = [];
    const sender = {
      budget: () => 1e6,
      connections: () => 1,
      send: async (outgoing: Outgoing) => {
        sent.push(outgoing.entries.length);
        await new Promise<void>((resolve) => answers.push(resolve));
        return accepted(outgoing);
      },
    };
    const { put, forwarder } = await forwarderOf({ clock: new FakeClock(), sender });
    await using _ = runningUntilTheEnd(forwarder, answers);
    await put(...spoolEntries(1, 1, { lane: 2 }));
    await until('the first is under way', () => sent.length === 1);
    for (const n of [2, 3]) await put(...spoolEntries(n, 1, { lane: 2 }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).to.deep.equal([1]);
    answers.shift()!();
    await until('the others go together', () => sent.length === 2);
    expect(sent).to.deep.equal([1, 2]);
  });

  it('waits with a backlog, not with an alarm, while an artifact has the line', async () => {
    const sent: number[] = [];
    const sender = {
      budget: () => 1e6,
      send: async (outgoing: Outgoing) => {
        sent.push(outgoing.entries[0]!.lane);
        return accepted(outgoing);
      },
    };
    const turns = { isTaken: true };
    const { put, forwarder } = await forwarderOf({ clock: new FakeClock(), sender, turns });
    await using _ = runningUntilTheEnd(forwarder, []);
    await put(...spoolEntries(1, 3, { lane: 8 }));
    await put(...spoolEntries(1, 1, { lane: 2 }));
    await until('the alarm has gone', () => sent.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).to.deep.equal([2]);
    turns.isTaken = false;
    forwarder.wake();
    await until('the backlog has gone', () => sent.length === 2);
    expect(sent).to.deep.equal([2, 8]);
  });

  it('leaves urgent ones the last free connection over a thin line', async () => {
    const sent: number[] = [];
    const answers: (() => void)[] = [];
    const sender = {
      budget: () => 1e6,
      connections: () => 2,
      send: async (outgoing: Outgoing) => {
        sent.push(outgoing.entries[0]!.lane);
        if (outgoing.entries[0]!.lane > 3) await new Promise<void>((resolve) => answers.push(resolve));
        return accepted(outgoing);
      },
    };
    const { put, forwarder } = await forwarderOf({ clock: new FakeClock(), sender });
    await using _ = runningUntilTheEnd(forwarder, answers);
    await put(...spoolEntries(1, 1, { lane: 8 }));
    await until('it is under way', () => sent.length === 1);
    answers.shift()!(); // the window opens
    await put(...spoolEntries(2, 1, { lane: 8 }));
    await until('another is under way', () => sent.length === 2);
    sent.length = 1;
    await put(...spoolEntries(3, 1, { lane: 7 }), ...spoolEntries(1, 1, { lane: 2 }));
    await until('the alarm has gone', () => sent.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).to.deep.equal([8, 2]);
  });

  it('lets few messages wait for the second answer and be one envelope then; many go at once', async () => {
    const clock = new FakeClock();
    const sizes: number[] = [];
    const answers: (() => void)[] = [];
    const sender = {
      budget: () => 1e6,
      send: async (outgoing: Outgoing) => {
        sizes.push(outgoing.entries.length);
        await new Promise<void>((resolve) => answers.push(resolve));
        return accepted(outgoing);
      },
    };
    const { put, forwarder } = await forwarderOf({ clock, sender });
    const answer = async () => {
      answers.shift()!();
      await new Promise(setImmediate);
    };
    await using _ = runningUntilTheEnd(forwarder, answers);
    for (let n = 1; n <= 3; n += 1) {
      await put(...spoolEntries(n, 1));
      await until('it is under way', () => sizes.length === n);
      await answer(); // the window opens
    }
    for (let n = 4; n <= 14; n += 1) await put(...spoolEntries(n, 1));
    await until('two are under way', () => sizes.length === 5);
    await new Promise(setImmediate);
    expect(sizes.slice(3)).to.deep.equal([1, 1]);
    await answer();
    await until('the rest goes', () => sizes.length === 6);
    expect(sizes.slice(3)).to.deep.equal([1, 1, 9]);
    await put(...spoolEntries(100, 600));
    await answer();
    await until('many need not wait', () => sizes.length === 9);
    expect(sizes.slice(6)).to.deep.equal([256, 256, 88]);
  });

  it('sends at once when another parent may be used before the wait that the last one told is over', async () => {
    const clock = new FakeClock();
    let pauseMs = 900_000;
    let sent = 0;
    const sender = {
      budget: () => 1e6,
      send: async (outgoing: Outgoing) => {
        sent += outgoing.entries.length;
        return accepted(outgoing);
      },
    };
    const { spool, put, forwarder } = await forwarderOf({ clock, sender, pauseMs: () => pauseMs });
    await put(...spoolEntries(1, 5));
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
