import { type EventContent, jsonOf, readContent } from '@backhaul/envelope';
import { Metrics, silentLogger } from '@backhaul/runtime';
import { until } from '@backhaul/testkit';
import { Heartbeat, ProgressWatch, StoreReport } from '@backhaul/transport';
import { expect } from 'chai';
import { MLM, messages, P1, TestMlm } from './test-mlm.ts';

describe('an MLM looks after itself', () => {
  let mlm: TestMlm;
  let heartbeat: Heartbeat;
  beforeEach(async () => {
    mlm = await TestMlm.create({ config: { custody: { default: 'passthrough' } } });
    heartbeat = new Heartbeat({
      ...{ ...mlm, ...mlm.core, outbox: mlm.core.own, self: MLM, title: 'MLM', tree: mlm.core.status },
      ...{ connected: () => true, intervalMs: 60_000, logger: silentLogger },
    });
  });
  afterEach(() => mlm.close());
  const notify: Heartbeat['notify'] = (id, notice) => heartbeat.notify(id, notice);
  const notices = async () =>
    (await mlm.forwarded())
      .filter(({ header }) => header.subclass === 'notice')
      .map(({ body }) => readContent(body) as EventContent);

  it('what the store was found to have lost is told upward with its counts, once, and later findings too', async () => {
    const { store, clock } = mlm;
    store.report({ code: 'BH-E-SPOOL-GAP', detail: 'spool/r/6/12 is missing' });
    for (let n = 0; n < 30; n++) store.report({ code: 'BH-E-SPOOL-DAMAGED', detail: `spool/r/4/${n}` });
    const report = new StoreReport({ store, notify, clock });
    await report.start();
    const [told, ...more] = await notices();
    expect(told).to.include({ eventId: 'store-findings', severity: 'major', instance: MLM });
    const data = jsonOf(told?.data as never) as { gaps: number; damaged: number; findings: object[] };
    expect({ ...data, findings: data.findings.length }).to.deep.equal({ gaps: 1, damaged: 30, findings: 20 });
    expect(more).to.deep.equal([]);
    await clock.advance(60_000);
    expect(await notices()).to.deep.equal([]);
    store.report({ code: 'BH-E-SPOOL-DAMAGED', detail: 'seen/x' });
    await clock.advance(30_000);
    expect(await notices()).to.have.length(1);
    await report.stop();
  });

  describe('progress', () => {
    let stalledAt: number | undefined;
    let watch: ProgressWatch;
    beforeEach(async () => {
      stalledAt = undefined;
      const { clock } = mlm;
      const oldestAccept = () => mlm.core.handler.oldestAccept;
      const parts = { notify, clock, logger: silentLogger, metrics: new Metrics('mlm') };
      watch = new ProgressWatch({
        oldestAccept,
        senderStalledAt: () => stalledAt,
        receiveStalledAt: () => undefined,
        ...parts,
      });
      await watch.start();
    });
    afterEach(() => watch.stop());

    it('an envelope that is never answered is noticed within about a minute, told once, and forgotten when it ends', async () => {
      let answer: (() => void) | undefined;
      mlm.relay = (entries) =>
        new Promise((resolve) => {
          answer = () => resolve(entries.map(() => ({ accepted: true })));
        });
      const sending = mlm.send(P1, messages(1));
      await until('it is on its way', () => answer !== undefined);
      await mlm.clock.advance(50_000);
      expect(watch.trouble).to.equal(undefined);
      await mlm.clock.advance(20_000);
      expect(watch.trouble).to.match(/not been answered/);
      await mlm.clock.advance(60_000);
      expect((await notices()).map(({ eventId }) => eventId)).to.deep.equal(['sender-stalled']);
      answer?.();
      await sending;
      await mlm.clock.advance(10_000);
      expect(watch.trouble).to.equal(undefined);
    });

    it('a sender that says that nothing moves is told upward, each time anew', async () => {
      for (let time = 0; time < 2; time++) {
        stalledAt = mlm.clock.now();
        await mlm.clock.advance(30_000);
        expect(watch.trouble).to.match(/nothing is sent although/);
        expect(await notices()).to.have.length(1);
        stalledAt = undefined;
        await mlm.clock.advance(10_000);
        expect(watch.trouble).to.equal(undefined);
      }
    });

    it('many envelopes that are answered in time are no trouble', async () => {
      for (let n = 1; n <= 20; n++) {
        await mlm.send(P1, messages(1, {}, n));
        await mlm.clock.advance(10_000);
        expect(watch.trouble).to.equal(undefined);
      }
    });
  });
});
