import { payloadOf, type Rejection, readContent, rejection } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import { expect } from 'chai';
import {
  CUSTOMER,
  component,
  identities,
  MLM,
  membership,
  message,
  messages,
  P1,
  P2,
  TestMlm,
  type TestMlmOptions,
} from './test-mlm.ts';

type Item = Rejection['items'][number];
const M2 = `${CUSTOMER}.m2`;

describe('late rejections', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  const told = async (child: string): Promise<Item[]> =>
    (await mlm.mailbox(child)).flatMap(({ body }) => payloadOf(rejection, readContent(body)).items as Item[]);

  it('what the spool evicts is told to its source in the commit that removes it, and only to its source', async () => {
    await begin({ config: { spool: { maxMessages: 64, maxBytes: 1e6, perChild: { maxMessages: 64 } } } });
    const instance = `${P1}.s1`;
    await mlm.send(P2, messages(10, { lane: 4, source: P2 }));
    await mlm.send(P1, messages(54, { lane: 8, instance }));
    const before = mlm.store.stats().commits;
    await mlm.send(P2, [message({ lane: 2, source: P2 })]);
    expect(mlm.store.stats().commits - before).to.equal(1);
    await mlm.crash();
    const [item, ...more] = await told(P1);
    expect(item).to.include({ class: 'performance', subclass: 'sample', instance, reason: 'evicted', by: MLM });
    expect(more).to.deep.equal([]);
    expect(await told(P2)).to.deep.equal([]);
    const [down] = await mlm.mailbox(P1);
    expect(down?.header).to.deep.include({ source: MLM, destination: { kind: 'component', id: P1 }, lane: 4 });
  });

  it('what expires on the way in or in the spool is told, too; what the network says of itself is not', async () => {
    await begin();
    const late = message({ sequence: 1, timeToLive: 60_000, routing: [{ id: P1, in: 1, out: 2, left: 0 }] });
    await mlm.send(P1, [late, message({ sequence: 2, timeToLive: 1000 })]);
    await mlm.send(P2, [message({ source: P2, class: 'infrastructure', subclass: 'heartbeat', timeToLive: 1000 })]);
    await mlm.clock.advance(1001);
    await mlm.core.housekeeping.look();
    expect((await told(P1)).map(({ id, reason }) => [id === late.header.id, reason])).to.deep.equal([
      [true, 'expired'],
      [false, 'expired'],
    ]);
    expect(await told(P2)).to.deep.equal([]);
  });

  it('what the parent refuses for good is told with its code, in messages of 256 items', async () => {
    await begin();
    const { spool, own } = mlm.core;
    await mlm.send(P1, messages(300, { instance: `${P1}.s1` }));
    await mlm.store.commit([]);
    const claim = (await spool.claim({ maxMessages: 1000, maxBytes: 1e8 }))!;
    const refused = claim.entries.map(() => ({ outcome: 'refused', code: 'BH-E-SCHEMA' }) as const);
    const { change, removed } = spool.settle(claim, refused);
    await commitChanges(mlm.store, [change, own.receipts(removed)]);
    const items = await told(P1);
    expect(items).to.have.length(300);
    expect(new Set(items.map(({ reason, code }) => `${reason} ${code}`))).to.deep.equal(
      new Set(['dead-letter BH-E-SCHEMA']),
    );
    expect(await mlm.mailbox(P1)).to.have.length(2);
  });

  it('a source further down is told through the child that leads to it', async () => {
    const components = [component(M2), component(P2, { parent: M2 })];
    await begin({ membership: membership(1, { components, groups: {} }) });
    await mlm.send(M2, [message({ source: P2, timeToLive: 1, routing: [{ id: P2, in: 1, out: 2, left: 0 }] })]);
    expect(await told(M2)).to.have.length(1);
    expect((await mlm.mailbox(M2))[0]?.header.destination).to.deep.equal({ kind: 'component', id: P2 });
  });

  it('no more than so many messages a second: a flood does not fill the mailbox, and the rate comes back', async () => {
    await begin();
    const expired = (sequence: number) =>
      message({ sequence, timeToLive: 1, routing: [{ id: P1, in: 1, out: 2, left: 0 }] });
    for (let n = 1; n <= 100; n++) await mlm.send(P1, [expired(n)]);
    const first = await told(P1);
    expect(first.length).to.be.within(1, 10);
    await mlm.clock.advance(5000);
    await mlm.send(P1, [expired(101)]);
    expect((await told(P1)).length).to.equal(first.length + 1);
  });

  it('a full mailbox is left alone: the loss stands in the receipt', async () => {
    await begin({ config: { mailboxes: { quotaMessages: 1 } } });
    const expired = (sequence: number) =>
      message({ sequence, timeToLive: 1, routing: [{ id: P1, in: 1, out: 2, left: 0 }] });
    await mlm.send(P1, [expired(1)]);
    expect((await mlm.send(P1, [expired(2)]))[0]).to.deep.equal({ accepted: true });
    expect(await told(P1)).to.have.length(1);
  });

  it('a full mailbox costs no number: what others lost in the same commit is told, and the lanes go on', async () => {
    await begin({ config: { mailboxes: { quotaMessages: 1 } } });
    await mlm.send(P1, [message({ timeToLive: 1, routing: [{ id: P1, in: 1, out: 2, left: 0 }] })]);
    await mlm.send(P1, [message({ sequence: 2, timeToLive: 1000 })]);
    await mlm.send(P2, [message({ source: P2, timeToLive: 1000 })]);
    await mlm.clock.advance(2000);
    await mlm.core.housekeeping.look();
    expect(await told(P1)).to.have.length(1);
    expect(await told(P2)).to.have.length(1);
    await mlm.send(P2, [message({ source: P2, sequence: 2 })]);
    expect(identities(await mlm.forwarded())).to.include(`${P2}/6/2`);
  });

  it('a rejection from further up goes on to its source; one of this MLM itself is for its log and has no answer', async () => {
    await begin();
    const about = (id: string) =>
      message({
        class: 'infrastructure',
        subclass: 'rejection',
        content: {
          type: 'data',
          mimeType: 'application/json',
          encoding: 'none',
          text: JSON.stringify({ items: [item] }),
        },
        destination: { kind: 'component', id },
      });
    const item = { id: '0'.repeat(26), class: 'x-a', subclass: 'b', reason: 'evicted', by: 'provider.a1', at: 1 };
    await mlm.receive([about(P1), about(MLM), about(`${CUSTOMER}.p9`)]);
    expect(await told(P1)).to.deep.equal([item]);
    expect(await mlm.forwarded()).to.deep.equal([]);
  });
});
