import { type EventContent, readContent } from '@backhaul/envelope';
import { Metrics, silentLogger, systemRandom } from '@backhaul/runtime';
import { LaneQueue, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { Heartbeat, NoticeQueue, Outbox, ProgressWatch, StoreReport } from '@backhaul/transport';
import { expect } from 'chai';
import { PROXY } from './support/messages.ts';

describe('notices that the store does not take at once', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let spool: LaneQueue;
  const notify: Heartbeat['notify'] = (id, notice) => heartbeat.notify(id, notice);
  let heartbeat: Heartbeat;

  beforeEach(async () => {
    clock = new FakeClock();
    store = new MemoryStore();
    await store.start();
    const common = { store, clock, random: systemRandom };
    spool = new LaneQueue({ ...common, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
    const numbering = new SequenceCounter({ ...common, prefix: 'own' });
    await numbering.load();
    await spool.load();
    const outbox = new Outbox({ ...common, self: PROXY, numbering, spool });
    heartbeat = new Heartbeat({
      ...{ ...common, self: PROXY, title: 'proxy', outbox, numbering, spool, intervalMs: 60_000, logger: silentLogger },
      tree: () => ({ kind: 'proxy', id: PROXY, state: 'ok', children: [] }),
      connected: () => true,
    });
  });
  afterEach(() => store.stop());

  const breakStore = async () => {
    store.failWrites(1);
    await store.commit([{ type: 'put', key: 'x', value: Buffer.of(1) }]).catch(() => undefined);
  };
  const said = async () => {
    const claim = await spool.claim({ maxMessages: 100, maxBytes: 1e6 });
    return (claim?.entries ?? []).map(({ body }) => readContent(body) as EventContent);
  };

  it('damage found by a reopening is told, although the store took nothing as it was looked at', async () => {
    const report = new StoreReport({ store, clock, notify });
    await report.start();
    store.onReopened(async () => {
      store.report({ code: 'BH-E-SPOOL-DAMAGED', detail: 'a block' });
      await report.look(); // its thirty seconds are over just now
    });
    await breakStore();
    await until('it is open again', () => store.state === 'open');
    expect(await said()).to.deep.equal([]);
    await clock.advance(120_000);
    expect((await said()).map(({ eventId }) => eventId)).to.deep.equal(['store-findings']);
    await report.stop();
  });

  it('what happens once is said until it is kept, in order, with the time at which it happened', async () => {
    const queue = new NoticeQueue({ notify, clock });
    await queue.start();
    await breakStore();
    const happened = clock.now();
    for (const id of ['clone', 'two-pollers'] as const) queue.say(id, { severity: 'major', text: id });
    await until('it is open again', () => store.state === 'open');
    expect(await said()).to.deep.equal([]);
    await clock.advance(60_000);
    const told = await said();
    expect(told.map(({ eventId }) => eventId)).to.deep.equal(['clone', 'two-pollers']);
    for (const { occurredAt } of told) expect(occurredAt).to.equal(happened);
    await clock.advance(60_000);
    expect(await said()).to.deep.equal([]);
    await queue.stop();
  });

  it('more notices than are kept waiting: the latest are told', async () => {
    const queue = new NoticeQueue({ notify, clock });
    await queue.start();
    await breakStore();
    for (let n = 0; n < 100; n++) queue.say('clone', { severity: 'major', text: `${n}` });
    await until('it is open again', () => store.state === 'open');
    await clock.advance(60_000);
    const told = await said();
    expect(told).to.have.length(64);
    expect(told.at(-1)?.text).to.equal('99');
    await queue.stop();
  });

  it('the watch over progress looks on while the store that it tells of hangs', async () => {
    const queue = new NoticeQueue({ notify: () => new Promise(() => {}), clock });
    let stalledAt: number | undefined = clock.now();
    const watch = new ProgressWatch({
      ...{ clock, logger: silentLogger, metrics: new Metrics('proxy'), senderStalledAt: () => stalledAt },
      ...{ oldestAccept: () => undefined, receiveStalledAt: () => undefined },
      notify: (id, notice) => queue.say(id, notice),
    });
    await watch.start();
    await clock.advance(10_000);
    expect(watch.trouble).to.match(/nothing is sent/);
    stalledAt = undefined;
    await clock.advance(10_000);
    expect(watch.trouble).to.equal(undefined);
    await watch.stop();
    await queue.stop();
  });
});
