import { type EventContent, readContent, readStatus } from '@backhaul/envelope';
import { silentLogger } from '@backhaul/runtime';
import { EpochWatch, Heartbeat } from '@backhaul/transport';
import { expect } from 'chai';
import { statusTree } from '../src/status.ts';
import { MLM, messages, P1, PROXIES, TestMlm } from './test-mlm.ts';

describe('what an MLM says of itself', () => {
  let mlm: TestMlm;
  beforeEach(async () => {
    mlm = await TestMlm.create();
  });
  afterEach(() => mlm.close());

  const heartbeats = async () =>
    (await mlm.forwarded())
      .filter(({ header }) => header.subclass === 'heartbeat')
      .map(({ body }) => readStatus(readContent(body)));

  const heartbeat = (connected: () => boolean) =>
    new Heartbeat({
      ...{ ...mlm, ...mlm.core, self: MLM, title: 'MLM', outbox: mlm.core.own, tree: mlm.core.status },
      ...{ connected, intervalMs: 1000, logger: silentLogger },
    });

  it('a heartbeat holds the tree: itself and its children, who was heard and what waits', async () => {
    await mlm.send(P1, messages(2));
    let connected = true;
    const beating = heartbeat(() => connected);
    await beating.start();
    const [first] = await heartbeats();
    expect(first?.root).to.include({ kind: 'mlm', id: MLM, state: 'ok', backlog: 2 });
    expect(first?.root.children.map(({ id, state }) => [id, state])).to.deep.equal(
      PROXIES.map((id) => [id, id === P1 ? 'ok' : 'unknown']),
    );
    for (let second = 1; second <= 3; second++) {
      await mlm.clock.advance(1000);
      expect(await heartbeats()).to.have.length(1);
    }
    connected = false;
    await beating.stop();
    await mlm.clock.advance(3000);
    expect(await heartbeats()).to.have.length(0);
  });

  it('is degraded, and says why, without its parent or with a module taken out', () => {
    const { membership, mailboxes, spool } = mlm.core;
    const taken = {
      name: 'own',
      use: 'own',
      state: 'taken-out' as const,
      passed: 0,
      dropped: 0,
      held: 0,
      refused: 0,
      faults: 5,
      lastFault: 'Error: broken',
    };
    const root = statusTree({
      ...{
        self: MLM,
        membership,
        mailboxes,
        spool,
        clock: mlm.clock,
        epochs: new EpochWatch(),
        heardAt: () => undefined,
      },
      modules: { status: () => [taken] },
      parent: () => ({
        connected: false,
        nextRetryAt: mlm.clock.now() + 500,
        lastError: { code: 'BH-E-PARENT-UNREACHABLE', at: 1 },
      }),
    });
    expect(root).to.include({ state: 'degraded', nextRetryMs: 500 });
    expect(root.detail).to.include('BH-E-PARENT-UNREACHABLE').and.include('module own was taken out');
  });

  it('is not degraded before its parent has been asked', () => {
    const { membership, mailboxes, spool } = mlm.core;
    const root = statusTree({
      ...{
        self: MLM,
        membership,
        mailboxes,
        spool,
        clock: mlm.clock,
        epochs: new EpochWatch(),
        heardAt: () => undefined,
      },
      modules: { status: () => [] },
      parent: () => ({ connected: false }),
    });
    expect(root.state).to.equal('ok');
    expect(root.detail).to.equal(undefined);
  });

  it('notices tell of its start and of its end on purpose, once each', async () => {
    const beating = heartbeat(() => false);
    await beating.stop();
    await beating.start();
    await beating.stop();
    await beating.stop();
    const said = (await mlm.forwarded())
      .filter(({ header }) => header.subclass === 'notice')
      .map(({ body }) => (readContent(body) as EventContent).eventId);
    expect(said).to.deep.equal(['cold-start', 'shutdown']);
  });
});
