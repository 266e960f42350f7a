import { type Data, jsonData, jsonOf, readContent } from '@backhaul/envelope';
import { expect } from 'chai';
import {
  EPOCH,
  identities,
  isReceipt,
  MLM,
  message,
  messages,
  P1,
  P2,
  sample,
  TestMlm,
  tombstones,
} from './test-mlm.ts';

const rule = { name: 'five', class: 'performance', subclass: 'sample', count: 5, windowMs: 10_000 };
const modules = [{ use: 'aggregate', rules: [rule] }];

interface Summary {
  count: number;
  metrics: Record<string, { min: number; mean: number; max: number }>;
  inputs: object[];
}

const summaryOf = ({ body }: { body: Uint8Array }) => jsonOf(readContent(body) as Data) as Summary;

describe('aggregation', () => {
  let mlm: TestMlm;
  beforeEach(async () => {
    mlm = await TestMlm.create({ modules });
    await mlm.startTimers();
  });
  afterEach(() => mlm.close());

  it('A1: a held message is durable before its sender is answered', async () => {
    await mlm.send(P1, messages(3));
    await mlm.crash();
    expect(mlm.core.aggregation.messages).to.equal(3);
    await mlm.send(P1, messages(2, {}, 4));
    const [aggregate] = (await mlm.forwarded()).filter(({ header }) => header.subclass === 'summary');
    expect(summaryOf(aggregate as never).count).to.equal(5);
  });

  it('a clock that is set back keeps no window open', async () => {
    await mlm.send(P1, messages(2));
    mlm.clock.jump(-86_400_000 / 2);
    await mlm.clock.advance(6_000);
    expect(mlm.core.aggregation.messages).to.equal(0);
    expect((await mlm.forwarded()).some(({ header }) => header.subclass === 'summary')).to.equal(true);
  });

  it('a clock that is set back keeps none open either while other messages come', async () => {
    await mlm.send(P1, messages(2));
    mlm.clock.jump(-86_400_000 / 2);
    for (let n = 0; n < 4; n += 1) {
      await mlm.send(P1, [message({ sequence: 3 + n, class: 'os-packages', subclass: 'list' })]);
      await mlm.clock.advance(2_000);
    }
    expect(mlm.core.aggregation.messages).to.equal(0);
  });

  it('announces what it holds at once, by the id that the aggregate will have', async () => {
    await mlm.send(P1, messages(2));
    const held = tombstones(await mlm.forwarded());
    expect(held).to.have.length(1);
    expect(held[0]).to.include({
      source: P1,
      lane: 6,
      from: 1,
      to: 2,
      reason: 'held',
      rule: 'aggregate/five',
      at: MLM,
    });
    await mlm.send(P1, messages(3, {}, 3));
    const forwarded = await mlm.forwarded();
    const aggregate = forwarded.find(({ header }) => header.subclass === 'summary');
    expect(aggregate?.header.id).to.equal(held[0]?.aggregate);
    expect(tombstones(forwarded)[0]).to.include({ from: 3, to: 5, reason: 'merged', aggregate: aggregate?.header.id });
  });

  it('A2: the aggregate goes in and its parts come out in one commit, and it lists them', async () => {
    await mlm.send(P1, messages(4));
    const before = mlm.store.stats().commits;
    await mlm.send(P1, [message({ sequence: 5, content: sample(9) })]);
    expect(mlm.store.stats().commits - before).to.equal(1);
    await mlm.crash();
    expect(mlm.core.aggregation.messages).to.equal(0);
    const [aggregate] = (await mlm.forwarded()).filter(({ header }) => header.subclass === 'summary');
    expect(aggregate?.header).to.include({ source: MLM, class: 'performance', lane: 6, contentType: 'data' });
    expect(summaryOf(aggregate as never)).to.deep.include({
      count: 5,
      inputs: [{ source: P1, epoch: EPOCH, lane: 6, from: 1, to: 5 }],
    });
    expect(summaryOf(aggregate as never).metrics['load1']).to.deep.equal({ min: 1, mean: 2.6, max: 9 });
  });

  it('A2: a crash before the commit leaves every part held, none merged', async () => {
    await mlm.send(P1, messages(4));
    const sending = mlm.send(P1, messages(1, {}, 5)).catch((error) => error);
    await mlm.crash();
    await sending;
    expect(mlm.core.aggregation.messages).to.equal(4);
    expect((await mlm.forwarded()).filter((one) => !isReceipt(one))).to.have.length(0);
  });

  it('makes one of what there is when the window ends, also over a restart', async () => {
    await mlm.send(P1, messages(2));
    await mlm.clock.advance(6_000);
    await mlm.crash();
    await mlm.clock.advance(3_900);
    expect(mlm.core.aggregation.messages).to.equal(2);
    await mlm.clock.advance(200);
    const [aggregate] = (await mlm.forwarded()).filter(({ header }) => header.subclass === 'summary');
    expect(summaryOf(aggregate as never).count).to.equal(2);
    expect(mlm.core.aggregation.messages).to.equal(0);
    expect(mlm.clock.pending).to.be.at.most(3);
  });

  it('keeps sources, support instances and lanes apart', async () => {
    await mlm.send(P1, [...messages(4, { instance: `${P1}.s1` }), message({ sequence: 5, instance: `${P1}.s2` })]);
    await mlm.send(P1, [message({ lane: 4, instance: `${P1}.s1` })]);
    await mlm.send(P2, [message({ source: P2, instance: `${P1}.s1` })]);
    expect(mlm.core.aggregation.groups).to.equal(4);
    await mlm.send(P1, [message({ sequence: 6, instance: `${P1}.s1` })]);
    const [aggregate] = (await mlm.forwarded()).filter(({ header }) => header.subclass === 'summary');
    expect(aggregate?.header.instance).to.equal(`${P1}.s1`);
    expect(summaryOf(aggregate as never).inputs).to.deep.equal([
      { source: P1, epoch: EPOCH, lane: 6, from: 1, to: 4 },
      { source: P1, epoch: EPOCH, lane: 6, from: 6, to: 6 },
    ]);
  });

  it('makes several aggregates of one large envelope', async () => {
    await mlm.send(P1, messages(256));
    const forwarded = await mlm.forwarded();
    expect(forwarded.filter(({ header }) => header.subclass === 'summary')).to.have.length(51);
    expect(mlm.core.aggregation.messages).to.equal(1);
  });

  it('a message that cannot be merged passes, and spoils no other', async () => {
    const bad = message({
      sequence: 3,
      content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'hello' },
    });
    await mlm.send(P1, [...messages(2), bad, ...messages(3, {}, 4)]);
    const forwarded = await mlm.forwarded();
    expect(identities(forwarded.filter(({ header }) => header.subclass === 'sample'))).to.deep.equal([`${P1}/6/3`]);
    expect(forwarded.filter(({ header }) => header.subclass === 'summary')).to.have.length(1);
  });

  it('an aggregate that would be too large is not made: the parts go on as they are', async () => {
    const wide = (n: number) => jsonData({ [`${n}`.repeat(300_000)]: 1 });
    const sent = [1, 2, 3, 4, 5].map((sequence) => message({ sequence, content: wide(sequence) }));
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => ({ accepted: true })));
    const parts = (await mlm.forwarded()).filter((part) => !isReceipt(part));
    expect(parts.map(({ header }) => header.subclass)).to.deep.equal(sent.map(() => 'sample'));
  });

  it('when the module is gone the parts go on one by one with their bodies as they came', async () => {
    const [one, two] = messages(2);
    await mlm.send(P1, [one as never, two as never]);
    const [held] = tombstones(await mlm.forwarded());
    mlm.core.modules.merge = () => undefined;
    await mlm.clock.advance(10_001);
    const parts = (await mlm.forwarded()).filter((part) => !isReceipt(part));
    expect(parts.map(({ header }) => [header.source, header.subclass])).to.deep.equal([
      [MLM, 'sample'],
      [MLM, 'sample'],
    ]);
    expect(parts[0]?.header.id).to.equal(held?.aggregate);
    expect(Buffer.from(parts[0]?.body ?? []).equals(one?.body as never)).to.equal(true);
    expect(mlm.core.aggregation.messages).to.equal(0);
  });
});
