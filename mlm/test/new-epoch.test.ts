import { silentLogger } from '@backhaul/runtime';
import { commitChanges } from '@backhaul/spool';
import { type Draft, KnownNumbers, renewEpochIfRestored } from '@backhaul/transport';
import { expect } from 'chai';
import { identities, MLM, messages, P1, TestMlm } from './test-mlm.ts';

const notice = (mlm: TestMlm): Draft => ({
  lane: 4,
  classification: 'infrastructure-administration',
  class: 'infrastructure',
  subclass: 'notice',
  content: {
    type: 'event',
    eventId: 'cold-start',
    severity: 'info',
    instance: MLM,
    occurredAt: mlm.clock.now(),
    text: 'begun',
  },
});

describe('a restored copy', () => {
  let mlm: TestMlm;
  beforeEach(async () => {
    mlm = await TestMlm.create();
    await commitChanges(mlm.store, mlm.core.own.stageAll([notice(mlm)]));
    await mlm.send(P1, messages(3));
  });
  afterEach(() => mlm.close());

  const greet = (through: number, over = {}) => {
    const { numbering, spool, own } = mlm.core;
    const known = new KnownNumbers({ self: MLM, numbering });
    known.begin();
    const mark = { source: MLM, epoch: numbering.epoch, lane: 4 as const, through, ...over };
    return renewEpochIfRestored(
      { self: MLM, numbering, known, spool, outbox: own, store: mlm.store, clock: mlm.clock, logger: silentLogger },
      [mark],
    );
  };

  it('is none while the parent holds no more than was given', async () => {
    const { epoch } = mlm.core.numbering;
    expect(await greet(1)).to.equal(false);
    expect(await greet(99, { epoch: 'd'.repeat(16) })).to.equal(false);
    expect(await greet(99, { source: P1 })).to.equal(false);
    expect(mlm.core.numbering.epoch).to.equal(epoch);
  });

  it('begins a new epoch; what the MLM made itself is numbered anew, what others made stays as it is', async () => {
    const { epoch } = mlm.core.numbering;
    expect(await greet(7)).to.equal(true);
    await commitChanges(mlm.store, mlm.core.own.stageAll([notice(mlm)]));
    await mlm.clock.advance(6_000);
    const forwarded = await mlm.forwarded();
    const own = forwarded.filter(({ header }) => header.source === MLM);
    expect(own.map(({ header }) => `${header.subclass}/${header.sequence}`)).to.deep.equal([
      'notice/1',
      'receipt/2',
      'notice/3',
    ]);
    for (const { header } of own) expect(header.epoch).to.equal(mlm.core.numbering.epoch).and.not.equal(epoch);
    expect(identities(forwarded.filter(({ header }) => header.source === P1))).to.deep.equal(
      [1, 2, 3].map((n) => `${P1}/6/${n}`),
    );
  });

  it('the new epoch outlives a crash', async () => {
    await greet(7);
    const { epoch } = mlm.core.numbering;
    await mlm.crash();
    expect(mlm.core.numbering.epoch).to.equal(epoch);
  });
});
