import { writeReceipts } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { FORWARD_STAGES } from '../src/index.ts';
import {
  component,
  EPOCH,
  identities,
  isReceipt,
  MLM,
  membership,
  message,
  messages,
  OTHER,
  P1,
  P2,
  TestMlm,
  type TestMlmOptions,
  tombstones,
} from './test-mlm.ts';

const accepted = { accepted: true };
const nics = { use: 'filter', rules: [{ name: 'nics', class: 'performance', subclass: 'interface' }] };

describe('forward path', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  it('is a list of named stages', async () => {
    await begin();
    expect(FORWARD_STAGES.map(({ name }) => name)).to.deep.equal([
      'checkSource',
      'refuseLoops',
      'dropSeen',
      'checkEpoch',
      'dropExpired',
      'settleReceipts',
      'noteTransfers',
      'runModules',
      'chooseCustody',
      'refuseWithoutRoom',
      'spoolBatch',
      'markSeen',
      'commitBatch',
      'relayOn',
    ]);
  });

  it('E5: passes headers and bodies on byte for byte, in order, with the identity they came with', async () => {
    await begin();
    const sent = messages(5);
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    const forwarded = await mlm.forwarded();
    expect(forwarded.map(({ headerBytes }) => Buffer.from(headerBytes).toString())).to.deep.equal(
      sent.map(({ headerBytes }) => Buffer.from(headerBytes).toString()),
    );
    expect(forwarded.map(({ body }) => Buffer.from(body))).to.deep.equal(sent.map(({ body }) => Buffer.from(body)));
  });

  it('one envelope is one commit', async () => {
    await begin({ modules: [nics] });
    const before = mlm.store.stats().commits;
    await mlm.send(P1, [...messages(100), ...messages(10, { subclass: 'interface' }, 101)]);
    expect(mlm.store.stats().commits - before).to.equal(1);
  });

  it('accepts a retry again and forwards it once, in the same envelope, in a later one, and after a crash', async () => {
    await begin();
    const [one, two] = messages(2) as [never, never];
    expect(await mlm.send(P1, [one, one])).to.deep.equal([accepted, accepted]);
    await mlm.send(P1, [one, two]);
    await mlm.crash();
    await mlm.send(P1, [one, two]);
    expect(identities(await mlm.forwarded())).to.deep.equal([`${P1}/6/1`, `${P1}/6/2`]);
  });

  it('answers a second copy only after the first copy is on disk', async () => {
    await begin();
    const [one] = messages(1) as [never];
    const order: string[] = [];
    await Promise.all([
      mlm.send(P1, [one]).then(() => order.push('first')),
      mlm.send(P1, [one]).then(() => order.push('second')),
    ]);
    expect(order).to.deep.equal(['first', 'second']);
    expect(await mlm.forwarded()).to.have.length(1);
  });

  it('refuses everything when the commit fails, and takes it at the retry', async () => {
    await begin({
      modules: [{ use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 1000 }] }],
    });
    mlm.store.failWrites(1);
    const sent = messages(3);
    const error = await mlm.send(P1, sent).catch((thrown) => thrown);
    expect(error).to.be.instanceOf(BackhaulError).with.property('code', 'BH-E-SPOOL-STOPPED');
    await until('the store is open again', () => mlm.store.state === 'open');
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(mlm.core.aggregation.messages).to.equal(3);
  });

  it('T-A19: a message comes from its sender or from below it; every other claim is refused alone', async () => {
    const m2 = `${component(P1).customer}.m2`;
    const below = component(P2, { parent: m2 });
    await begin({ membership: membership(1, { components: [component(P1), component(m2), below], groups: {} }) });
    const claims: [string, string, boolean][] = [
      [P1, P1, true],
      [P1, P2, false],
      [P1, m2, false],
      [P1, MLM, false],
      [P1, 'provider.a1', false],
      [P1, `${OTHER}.p1`, false],
      [P1, `${P1}.s1`, false],
      [m2, m2, true],
      [m2, P2, true],
      [m2, P1, false],
    ];
    for (const [index, [from, source, good]] of claims.entries()) {
      const [verdict, own] = await mlm.send(from, [
        message({ source, sequence: 10 + index }),
        message({ source: from, sequence: 100 + index }),
      ]);
      expect(verdict?.accepted, `${from} says ${source}`).to.equal(good);
      if (!good) expect(verdict).to.include({ code: 'BH-E-SPOOF', retryable: false });
      expect(own?.accepted).to.equal(true);
    }
  });

  it('E2: a message that has been here before is refused', async () => {
    await begin();
    const [verdict] = await mlm.send(P1, [message({ routing: [{ id: MLM, in: 1, out: 2 }] })]);
    expect(verdict).to.include({ accepted: false, code: 'BH-E-LOOP', retryable: false });
  });

  it('what is past its time is accepted and accounted for; what counts is the time left at the last hop', async () => {
    await begin();
    const late = message({ sequence: 1, timeToLive: 60_000, routing: [{ id: P1, in: 1, out: 2, left: 0 }] });
    const alive = message({ sequence: 2, timeToLive: 1, routing: [{ id: P1, in: 1, out: 2, left: 5_000 }] });
    expect(await mlm.send(P1, [late, alive])).to.deep.equal([accepted, accepted]);
    const forwarded = await mlm.forwarded();
    expect(tombstones(forwarded)).to.deep.equal([
      { source: P1, epoch: EPOCH, lane: 6, from: 1, to: 1, reason: 'expired', at: MLM },
    ]);
    expect(identities(forwarded.filter((one) => !isReceipt(one)))).to.deep.equal([`${P1}/6/2`]);
  });

  it('what expires while it waits in the spool becomes a tombstone', async () => {
    await begin();
    await mlm.send(P1, [message({ timeToLive: 1000 })]);
    await mlm.clock.advance(1001);
    await mlm.core.housekeeping.look();
    const forwarded = await mlm.forwarded();
    expect(tombstones(forwarded)).to.deep.include({
      source: P1,
      epoch: EPOCH,
      lane: 6,
      from: 1,
      to: 1,
      reason: 'expired',
      at: MLM,
    });
    expect(forwarded.filter((one) => !isReceipt(one))).to.have.length(0);
  });

  it('what the filter drops arrives as tombstone ranges in one receipt of the same lane and record', async () => {
    await begin({ modules: [nics] });
    const sent = [
      ...messages(3, { subclass: 'interface' }),
      ...messages(2, {}, 4),
      ...messages(1, { subclass: 'interface' }, 6),
    ];
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    const claim = await mlm.core.spool.claim({ maxMessages: 100, maxBytes: 1e6 });
    expect(claim?.entries.map(({ source }) => source)).to.deep.equal([P1, P1, MLM]);
    mlm.core.spool.release(claim as never);
    const common = { source: P1, epoch: EPOCH, lane: 6, reason: 'filtered', rule: 'filter/nics', at: MLM };
    expect(tombstones(await mlm.forwarded())).to.deep.equal([
      { ...common, from: 1, to: 3 },
      { ...common, from: 6, to: 6 },
    ]);
  });

  it('a receipt from below passes on, and its ranges are marked as seen in the same commit', async () => {
    await begin();
    const gone = { source: P1, epoch: EPOCH, lane: 6 as const, from: 1, to: 4, reason: 'evicted' as const, at: P1 };
    const receipt = message({
      class: 'infrastructure',
      subclass: 'receipt',
      content: writeReceipts([gone]),
      lane: 6,
      sequence: 5,
    });
    expect(await mlm.send(P1, [receipt])).to.deep.equal([accepted]);
    expect(mlm.core.handler.marks({ identity: { id: P1 } } as never)).to.deep.include({
      source: P1,
      epoch: EPOCH,
      lane: 6,
      through: 5,
      newest: true,
    });
    expect(tombstones(await mlm.forwarded())).to.deep.equal([gone]);
  });

  it('what a source says of an earlier epoch of its own passes on and marks nothing: a copy may have used the number', async () => {
    await begin();
    const later = 'f'.repeat(16);
    await mlm.send(P1, [message({ sequence: 1 }), message({ sequence: 5 })]);
    const left = { source: P1, epoch: EPOCH, lane: 6 as const, from: 2, to: 4 };
    const gone = { ...left, reason: 'superseded', rule: 'new-epoch', at: P1 } as const;
    const about = { class: 'infrastructure', subclass: 'receipt', lane: 6 } as const;
    const receipt = message({ ...about, content: writeReceipts([gone]), epoch: later });
    expect(await mlm.send(P1, [receipt])).to.deep.equal([accepted]);
    const marks = mlm.core.handler.marks({ identity: { id: P1 } } as never);
    expect(marks).to.deep.include({ source: P1, epoch: EPOCH, lane: 6, through: 5, newest: false });
    const [verdict] = await mlm.send(P1, [message({ sequence: 3 })]);
    expect(verdict, 'of a copy that still speaks: not taken for a duplicate').to.include({ code: 'BH-E-EPOCH' });
    expect(tombstones(await mlm.forwarded())).to.deep.equal([gone]);
  });

  it('T-A35: receipts open no more gaps than messages may; the lowest one always closes', async () => {
    await begin();
    const range = (from: number, to = from) =>
      ({ source: P1, epoch: EPOCH, lane: 4, from, to, reason: 'evicted', at: P1 }) as const;
    const receipt = (sequence: number, ranges: ReturnType<typeof range>[]) =>
      message({ class: 'infrastructure', subclass: 'receipt', content: writeReceipts(ranges), lane: 6, sequence });
    const isolated = (from: number) => Array.from({ length: 2000 }, (_, n) => range(from + 2 * n));
    const refused = { accepted: false, code: 'BH-E-SEEN-BOUND', retryable: true };
    const receipts = [1, 2, 3, 4].map((n) => receipt(n, isolated(4000 * n)));
    const verdicts = await mlm.send(P1, receipts);
    expect(verdicts.slice(0, 2)).to.deep.equal([accepted, accepted]);
    expect(verdicts[3]).to.deep.include(refused);
    expect((await mlm.send(P1, [receipt(5, isolated(40_000))]))[0]).to.deep.include(refused);
    expect(await mlm.send(P1, [receipt(6, [range(1, 50_000)])])).to.deep.equal([accepted]);
    expect(await mlm.send(P1, [receipt(7, isolated(60_000))])).to.deep.equal([accepted]);
  });

  it('T-A19: a receipt for messages of somebody else is refused and marks nothing', async () => {
    await begin();
    const foreign = {
      source: P2,
      epoch: EPOCH,
      lane: 6 as const,
      from: 1,
      to: 1000,
      reason: 'expired' as const,
      at: P1,
    };
    const receipt = message({
      class: 'infrastructure',
      subclass: 'receipt',
      content: writeReceipts([foreign]),
      lane: 6,
    });
    const [verdict] = await mlm.send(P1, [receipt]);
    expect(verdict).to.include({ accepted: false, code: 'BH-E-SPOOF' });
    await mlm.send(P2, [message({ source: P2 })]);
    expect(identities(await mlm.forwarded())).to.deep.equal([`${P2}/6/1`]);
  });

  it('the throttle refuses with a wait before anything is stored, and takes it after the wait', async () => {
    await begin({
      modules: [{ use: 'throttle', rules: [{ class: 'performance', messagesPerSecond: 10, burst: 0.2 }] }],
    });
    const sent = messages(3);
    const [, , third] = await mlm.send(P1, sent);
    expect(third).to.include({ accepted: false, code: 'BH-E-THROTTLE', retryable: true });
    await mlm.clock.advance(third?.waitMs ?? 0);
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(identities(await mlm.forwarded())).to.deep.equal([1, 2, 3].map((n) => `${P1}/6/${n}`));
  });

  it('what a full spool evicts for something more urgent is named by a tombstone in the same commit', async () => {
    await begin({ config: { spool: { maxMessages: 64, maxBytes: 1e6, perChild: { maxMessages: 64 } } } });
    await mlm.send(P1, messages(64, { lane: 8 }));
    const before = mlm.store.stats().commits;
    expect(await mlm.send(P1, [message({ lane: 2 })])).to.deep.equal([accepted]);
    expect(mlm.store.stats().commits - before).to.equal(1);
    await mlm.crash();
    const forwarded = await mlm.forwarded();
    const evicted = tombstones(forwarded);
    expect(evicted).to.have.length(1);
    expect(evicted[0]).to.include({ source: P1, lane: 8, reason: 'evicted', at: MLM });
    const alive = forwarded.filter(({ header }) => header.source === P1 && header.lane === 8);
    expect(alive.map(({ header }) => header.sequence)).not.to.include(evicted[0]?.from);
  });

  it('own messages have sequences without holes, over refusals and crashes', async () => {
    await begin({
      modules: [nics],
      config: { spool: { maxMessages: 4, maxBytes: 1e6, perChild: { maxMessages: 4 } } },
    });
    await mlm.send(P1, messages(1, { subclass: 'interface' }));
    await mlm.crash();
    await mlm.send(P1, messages(3, {}, 2));
    const refused = await mlm.send(P1, [...messages(3, {}, 5), ...messages(1, { subclass: 'interface' }, 8)]);
    expect(refused.map(({ code }) => code)).to.deep.equal(Array(4).fill('BH-E-SPOOL-FULL'));
    const first = await mlm.forwarded();
    await mlm.send(P1, [...messages(1, {}, 5), ...messages(1, { subclass: 'interface' }, 6)]);
    const own = [...first, ...(await mlm.forwarded())].filter(({ header }) => header.source === MLM);
    expect(own.map(({ header }) => header.sequence)).to.deep.equal([1, 2]);
  });

  it('property-like: every sequence sent is forwarded, or named by exactly one tombstone', async () => {
    await begin({
      modules: [
        nics,
        { use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 1000 }] },
      ],
    });
    await mlm.startTimers();
    const kinds = ['sample', 'interface', 'summary'] as const;
    const all = Array.from({ length: 200 }, (_, i) =>
      message({
        sequence: i + 1,
        subclass: kinds[(i * 7 + (i >> 3)) % 3] as string,
        ...(i % 11 === 0 ? { timeToLive: 1, routing: [{ id: P1, in: 1, out: 1, left: 0 }] } : {}),
      }),
    );
    for (let at = 0; at < all.length; at += 17) await mlm.send(P1, all.slice(at, at + 17));
    await mlm.clock.advance(2000);
    const forwarded = await mlm.forwarded();
    const accounts = new Map<number, number>();
    const add = (sequence: number) => accounts.set(sequence, (accounts.get(sequence) ?? 0) + 1);
    for (const { header } of forwarded) if (header.source === P1) add(header.sequence);
    for (const { from, to } of tombstones(forwarded)) for (let n = from; n <= to; n++) add(n);
    expect(accounts.size).to.equal(200);
    expect(Math.max(...accounts.values())).to.equal(1);
  });
});
