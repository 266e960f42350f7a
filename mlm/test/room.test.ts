import { expect } from 'chai';
import { CHILD_SHARE, HOLDING_LIMITS } from '../src/aggregation/aggregation.ts';
import { identities, message, messages, P1, P2, TestMlm, type TestMlmOptions, tombstones } from './test-mlm.ts';

const accepted = { accepted: true };
const codes = (verdicts: readonly { code?: string; accepted: boolean }[]) =>
  verdicts.map((verdict) => (verdict.accepted ? 'accepted' : verdict.code));

describe('room for what arrives', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  it('an urgent message passes in the very envelope whose bulk is refused, each with its own verdict and a wait', async () => {
    await begin({ config: { spool: { maxMessages: 64, maxBytes: 1e6 } } });
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
    await begin({ config: { spool: { maxMessages: 10, maxBytes: 1e6 } } });
    const sent = messages(15);
    const verdicts = await mlm.send(P1, sent);
    expect(codes(verdicts)).to.deep.equal([...Array(10).fill('accepted'), ...Array(5).fill('BH-E-SPOOL-FULL')]);
    const first = await mlm.forwarded();
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(identities([...first, ...(await mlm.forwarded())])).to.deep.equal(identities(sent));
  });

  it('while disk space is short the whole envelope is refused, so that the child stops asking', async () => {
    await begin();
    mlm.store.accepting = false;
    const error = await mlm.send(P1, messages(3)).catch((thrown) => thrown);
    expect(error).to.have.property('code', 'BH-E-SPOOL-FULL');
    mlm.store.accepting = true;
    expect(await mlm.send(P1, messages(3))).to.deep.equal(Array(3).fill(accepted));
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
