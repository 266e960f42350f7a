import { commitChanges } from '@backhaul/spool';
import type { Draft } from '@backhaul/transport';
import { expect } from 'chai';
import { CHILD_SHARE, HOLDING_LIMITS } from '../src/aggregation/aggregation.ts';
import { childShare, customerShare, mlmConfig } from '../src/config.ts';
import {
  CUSTOMER,
  component,
  identities,
  membership,
  message,
  messages,
  OTHER,
  P1,
  P2,
  PARENT,
  sample,
  TestMlm,
  type TestMlmOptions,
  tombstones,
} from './test-mlm.ts';

const accepted = { accepted: true };
const heartbeat: Draft = {
  class: 'infrastructure',
  subclass: 'heartbeat',
  classification: 'infrastructure-administration',
  lane: 4,
  content: sample(),
};
const codes = (verdicts: readonly { code?: string; accepted: boolean }[]) =>
  verdicts.map((verdict) => (verdict.accepted ? 'accepted' : verdict.code));

describe('room for what arrives', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  it('an urgent message passes in the very envelope whose bulk is refused, each with its own verdict and a wait', async () => {
    await begin({ config: { spool: { maxMessages: 64, maxBytes: 1e6, perChild: { maxMessages: 1000 } } } });
    await mlm.send(P1, messages(64, { lane: 8 }));
    const verdicts = await mlm.send(P1, [...messages(3, { lane: 8 }, 65), message({ lane: 2 })]);
    expect(codes(verdicts)).to.deep.equal([...Array(3).fill('BH-E-SPOOL-FULL'), 'accepted']);
    expect(verdicts[0]).to.deep.include({ retryable: true, waitMs: 5000 });
    const forwarded = await mlm.forwarded();
    expect(identities(forwarded)).to.include(`${P1}/2/1`);
    expect(tombstones(forwarded).map(({ lane, reason }) => ({ lane, reason }))).to.deep.equal([
      { lane: 8, reason: 'evicted' },
    ]);
  });

  it('as many of a lane are taken as there is room for, its beginning first; the rest is taken when there is room', async () => {
    await begin({ config: { spool: { maxMessages: 10, maxBytes: 1e6, perChild: { maxMessages: 1000 } } } });
    const sent = messages(15);
    const verdicts = await mlm.send(P1, sent);
    expect(codes(verdicts)).to.deep.equal([...Array(10).fill('accepted'), ...Array(5).fill('BH-E-SPOOL-FULL')]);
    const first = await mlm.forwarded();
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(identities([...first, ...(await mlm.forwarded())])).to.deep.equal(identities(sent));
  });

  it('a child that floods, with emergencies too, fills its own share only: the others go on, and so do its alarms over bulk', async () => {
    await begin({ config: { spool: { maxMessages: 100, maxBytes: 1e6, perChild: { maxMessages: 20 } } } });
    const flood = await mlm.send(P1, messages(50, { lane: 0 }));
    expect(codes(flood)).to.deep.equal([...Array(20).fill('accepted'), ...Array(30).fill('BH-E-QUOTA')]);
    expect(flood[20]).to.include({ retryable: true, waitMs: 5000 });
    expect(codes(await mlm.send(P2, messages(20, { lane: 6, source: P2 })))).to.deep.equal(Array(20).fill('accepted'));
    const bulk = messages(3, { lane: 6, source: P2 }, 21);
    expect(codes(await mlm.send(P2, [...bulk, message({ lane: 2, source: P2 })]))).to.deep.equal([
      ...Array(3).fill('BH-E-QUOTA'),
      'accepted',
    ]);
    await mlm.crash();
    const [over] = await mlm.send(P1, messages(1, { lane: 0 }, 51));
    expect(over, 'the share outlives a restart').to.include({ accepted: false, code: 'BH-E-QUOTA' });
    const evicted = tombstones(await mlm.forwarded());
    expect(evicted.map(({ source, lane, reason }) => ({ source, lane, reason }))).to.deep.equal([
      { source: P2, lane: 6, reason: 'evicted' },
    ]);
    expect(codes(await mlm.send(P1, messages(1, { lane: 0 }, 21)))).to.deep.equal(['accepted']);
  });

  it('four proxies of one customer flood with urgent messages: what another customer has here stays', async () => {
    const flooding = [1, 2, 3, 4].map((n) => `${CUSTOMER}.p${n}`);
    const meek = `${OTHER}.p1`;
    const components = [...flooding, meek].map((id) => component(id));
    await begin({
      membership: membership(1, { components, groups: {} }),
      config: { spool: { maxMessages: 80, maxBytes: 1e6 } },
    });
    const low = await mlm.send(meek, messages(40, { lane: 8, source: meek }));
    expect(codes(low)).to.deep.equal([...Array(20).fill('accepted'), ...Array(20).fill('BH-E-QUOTA')]);
    const taken: string[] = [];
    for (const source of flooding) {
      const verdicts = await mlm.send(source, messages(20, { lane: 2, source }));
      taken.push(...verdicts.map(({ code }) => code ?? 'accepted'));
    }
    expect(taken).to.deep.equal([...Array(40).fill('accepted'), ...Array(40).fill('BH-E-QUOTA')]);
    expect(mlm.core.spool.usage(meek).messages).to.equal(20);
  });

  it('the only customer has all of the spool; beside others an equal share, never less than a quarter', () => {
    const { spool } = mlmConfig.parse({
      dataDirectory: '/nowhere',
      parents: [{ id: PARENT, url: 'http://127.0.0.1:1' }],
    });
    const shareOf = (count: number) => customerShare({ ...spool, maxBytes: 4000, maxMessages: 400 }, () => count);
    expect([0, 1, 2, 4, 100].map((count) => shareOf(count).maxBytes)).to.deep.equal([4000, 4000, 2000, 1000, 1000]);
    const said = customerShare({ ...spool, perCustomer: { maxMessages: 8 } }, () => 3);
    expect(said.maxMessages).to.equal(8);
  });

  it('without a setting the children share alike, and none has less than a quarter', async () => {
    await begin();
    const { spool } = mlmConfig.parse({
      dataDirectory: '/nowhere',
      parents: [{ id: PARENT, url: 'http://127.0.0.1:1' }],
    });
    const shareOf = (children: number) => childShare({ ...spool, maxBytes: 4000, maxMessages: 400 }, () => children);
    expect([0, 1, 2, 4, 100].map((children) => shareOf(children).maxBytes)).to.deep.equal([
      4000, 4000, 2000, 1000, 1000,
    ]);
    expect(shareOf(100).maxMessages).to.equal(100);
    const own = childShare({ ...spool, perChild: { maxBytes: 7, maxMessages: 8 } }, () => 3);
    expect([own.maxBytes, own.maxMessages]).to.deep.equal([7, 8]);
  });

  it('while disk space is short the whole envelope is refused, so that the child stops asking', async () => {
    await begin();
    mlm.store.accepting = false;
    const error = await mlm.send(P1, messages(3)).catch((thrown) => thrown);
    expect(error).to.have.property('code', 'BH-E-SPOOL-FULL');
    expect(await mlm.forwarded(), 'nothing of it').to.deep.equal([]);
    mlm.store.accepting = true;
    expect(await mlm.send(P1, messages(3))).to.deep.equal(Array(3).fill(accepted));
  });

  it('with a short disk an account is still given: what expires is told upward, and so is how it goes', async () => {
    await begin();
    await mlm.send(P1, messages(3, { timeToLive: 1000 }));
    mlm.store.accepting = false;
    await mlm.clock.advance(1001);
    await mlm.core.housekeeping.look();
    expect(tombstones(await mlm.forwarded()).map(({ from, to, reason }) => ({ from, to, reason }))).to.deep.equal([
      { from: 1, to: 3, reason: 'expired' },
    ]);
    await commitChanges(mlm.store, mlm.core.own.stageAll([heartbeat], [], { receipts: true }));
    expect((await mlm.forwarded()).map(({ header }) => header.subclass)).to.deep.equal(['heartbeat']);
  });

  it('what a child makes up ends its own aggregation only: its share of the groups is used up, another child’s is not', async () => {
    const rules = [{ name: 'five', class: 'performance', subclass: 'sample', count: 5, windowMs: 10_000 }];
    await begin({ modules: [{ use: 'aggregate', rules }] });
    const share = HOLDING_LIMITS.groups * CHILD_SHARE;
    for (let at = 0; at < share + 100; at += 250) {
      const made = Array.from({ length: 250 }, (_, i) =>
        message({ sequence: at + i + 1, instance: `${P1}.s${at + i}` }),
      );
      await mlm.send(P1, made);
    }
    expect(mlm.core.aggregation.groups).to.equal(share);
    await mlm.send(P2, messages(2, { source: P2 }));
    expect(mlm.core.aggregation.groups).to.equal(share + 1);
    await mlm.crash();
    await mlm.send(P1, [message({ sequence: 9000, instance: `${P1}.s9000` })]);
    expect(mlm.core.aggregation.groups, 'the share outlives a restart').to.equal(share + 1);
  });
});
