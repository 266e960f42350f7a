import { BackhaulError } from '@backhaul/runtime';
import { stagedChange } from '@backhaul/spool';
import { expect } from 'chai';
import { POISON_AFTER, PoisonCounts } from '../src/forward/poison.ts';
import {
  EPOCH,
  identities,
  isReceipt,
  MLM,
  message,
  messages,
  P1,
  P2,
  TestMlm,
  type TestMlmOptions,
  tombstones,
} from './test-mlm.ts';

const accepted = { accepted: true };

function settled<T>(promise: Promise<T>) {
  const watched = { promise, isSettled: false };
  const end = () => (watched.isSettled = true);
  promise.then(end, end);
  return watched;
}

describe('poison', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  /** A module of the configuration that cannot stand one sequence. */
  const failOn = (sequence: number) => {
    const { modules } = mlm.core;
    const decide = modules.decide.bind(modules);
    modules.wants = () => true;
    modules.decide = (one) =>
      one.header.sequence === sequence
        ? { action: { do: 'refuse', code: 'BH-E-MODULE', waitMs: 5000 }, module: 'own', fault: 'Error: broken' }
        : decide(one);
  };

  it('a message on which a module fails ten times is a dead letter with its receipt, accepted, and blocks nothing', async () => {
    await begin();
    failOn(2);
    for (let time = 1; time < POISON_AFTER; time++) {
      const [, verdict] = await mlm.send(P1, messages(2));
      expect(verdict).to.include({ accepted: false, code: 'BH-E-MODULE', retryable: true });
    }
    expect(await mlm.send(P1, messages(3))).to.deep.equal([accepted, accepted, accepted]);
    const forwarded = await mlm.forwarded();
    expect(identities(forwarded.filter((one) => !isReceipt(one)))).to.deep.equal([`${P1}/6/1`, `${P1}/6/3`]);
    const place = { source: P1, epoch: EPOCH, lane: 6, from: 2, to: 2 };
    expect(tombstones(forwarded)).to.deep.equal([{ ...place, reason: 'dead-letter', rule: 'BH-E-MODULE', at: MLM }]);
    const [letter] = await mlm.core.spool.deadLetters();
    expect(letter).to.include({ code: 'BH-E-MODULE', detail: 'own: Error: broken' });
    await mlm.crash();
    expect(await mlm.send(P1, messages(3)), 'it is seen').to.deep.equal([accepted, accepted, accepted]);
    expect(await mlm.core.spool.deadLetters()).to.have.length(1);
  });

  it('a message that the store fails on is refused alone, then a dead letter; what came with it goes on at once', async () => {
    await begin();
    const { own } = mlm.core;
    const stageAll = own.stageAll.bind(own);
    own.stageAll = (drafts, others = [], options) => {
      if (others.some(({ sequence }) => sequence === 2)) throw new Error('no such record');
      return stageAll(drafts, others, options);
    };
    for (let time = 1; time < POISON_AFTER; time++) {
      const [one, two, three] = await mlm.send(P1, messages(3));
      expect([one, three]).to.deep.equal([accepted, accepted]);
      expect(two).to.include({ accepted: false, code: 'BH-E-INTERNAL', retryable: true });
    }
    expect(await mlm.send(P1, messages(3))).to.deep.equal([accepted, accepted, accepted]);
    const forwarded = await mlm.forwarded();
    expect(tombstones(forwarded).map(({ from, reason }) => ({ from, reason }))).to.deep.equal([
      { from: 2, reason: 'dead-letter' },
    ]);
    expect(identities(forwarded.filter((one) => !isReceipt(one)))).to.deep.equal([`${P1}/6/1`, `${P1}/6/3`]);
  });

  it('so is one whose change fails as it is submitted, although the store is opened again each time', async () => {
    await begin();
    const { own, spool } = mlm.core;
    const stageAll = own.stageAll.bind(own);
    const broken = stagedChange(() => {
      throw new Error('no such record');
    });
    own.stageAll = (drafts, others = [], options) => {
      const changes = stageAll(drafts, others, options);
      return others.some(({ sequence }) => sequence === 2) ? [...changes, broken] : changes;
    };
    const sent = async () => {
      const answer = settled(mlm.send(P1, messages(3)));
      while (!answer.isSettled) await mlm.clock.advance(100);
      return await answer.promise;
    };
    for (let time = 1; time < POISON_AFTER; time++) {
      const [one, two, three] = await sent();
      expect([one, three]).to.deep.equal([accepted, accepted]);
      expect(two).to.include({ accepted: false, code: 'BH-E-INTERNAL', retryable: true });
    }
    expect(await sent()).to.deep.equal([accepted, accepted, accepted]);
    expect(await spool.deadLetters()).to.have.length(1);
    const forwarded = (await mlm.forwarded()).filter((one) => !isReceipt(one));
    expect(identities(forwarded)).to.deep.equal([`${P1}/6/1`, `${P1}/6/3`]);
  });

  it('nobody can make a dead letter of what is not his: a foreign source is refused as ever', async () => {
    await begin();
    const { own } = mlm.core;
    const stageAll = own.stageAll.bind(own);
    let calls = 0;
    own.stageAll = (...what) => {
      if (++calls <= 2 * POISON_AFTER) throw new Error('broken'); // with the envelope and alone, each time
      return stageAll(...what);
    };
    for (let time = 0; time < POISON_AFTER; time++) {
      const [verdict] = await mlm.send(P1, [message({ source: P2 })]);
      expect(verdict?.accepted).to.equal(false);
    }
    expect(calls).to.be.above(2 * POISON_AFTER);
    expect(await mlm.core.spool.deadLetters()).to.deep.equal([]);
  });

  it('a store that is being reopened says nothing of a message: the envelope is refused, nothing is counted', async () => {
    await begin();
    const { own } = mlm.core;
    own.stageAll = () => {
      throw new BackhaulError('BH-E-SPOOL-STOPPED');
    };
    for (let time = 0; time < POISON_AFTER + 1; time++) {
      const error = await mlm.send(P1, messages(1)).catch((thrown) => thrown);
      expect(error).to.have.property('code', 'BH-E-SPOOL-STOPPED');
    }
  });

  it('failures are counted for each message, and no more messages than there is a number for', () => {
    const counts = new PoisonCounts({ remembered: 3 });
    const identity = (sequence: number) => ({ source: P1, epoch: EPOCH, lane: 6, sequence });
    for (let time = 1; time < POISON_AFTER; time++) expect(counts.failed(identity(1))).to.equal(false);
    expect(counts.failed(identity(1))).to.equal(true);
    for (let n = 2; n < 10; n++) counts.failed(identity(n));
    expect(counts.size).to.equal(3);
    expect(counts.failed(identity(1)), 'forgotten').to.equal(false);
  });
});
