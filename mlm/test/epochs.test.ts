import { type EventContent, readContent } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { CUSTOMER, component, membership, message, messages, P1, P2, TestMlm } from './test-mlm.ts';

const accepted = { accepted: true };
const M2 = `${CUSTOMER}.m2`;
const epoch = (n: number) => n.toString(16).padStart(16, '0');

describe('epochs of a direct child', () => {
  let mlm: TestMlm;
  beforeEach(async () => {
    const components = [component(P1), component(M2), component(P2, { parent: M2 })];
    mlm = await TestMlm.create({ membership: membership(1, { components, groups: {} }) });
  });
  afterEach(() => mlm.close());

  const say = async (n: number, sequence = 1, from = P1, source = from) =>
    (await mlm.send(from, [message({ epoch: epoch(n), sequence, source })]))[0];
  const notices = async () =>
    (await mlm.forwarded())
      .filter(({ header }) => header.subclass === 'notice')
      .map(({ body }) => readContent(body) as EventContent);

  it('a superseded epoch is fenced, after a restart too; what it said before is accepted again', async () => {
    await say(1);
    await say(2);
    await mlm.crash();
    expect(await say(1, 2)).to.deep.include({ accepted: false, code: 'BH-E-EPOCH', retryable: true });
    expect(await say(1, 1)).to.deep.equal(accepted);
    expect(await say(2, 2)).to.deep.equal(accepted);
    const marks = mlm.core.handler.marks({ identity: { id: P1 } } as never);
    expect(marks.map((mark) => [mark.epoch, mark.newest])).to.deep.equal([
      [epoch(1), false],
      [epoch(2), true],
    ]);
    expect(await say(3, 1), 'a new one takes over').to.deep.equal(accepted);
    expect(await say(2, 3)).to.deep.include({ code: 'BH-E-EPOCH' });
  });

  it('asks once for an envelope what epochs there were, however many messages it has', async () => {
    for (const n of [1, 2]) await say(n);
    const { seen } = mlm.core;
    const marks = seen.marks.bind(seen);
    let asked = 0;
    seen.marks = (source) => {
      asked += 1;
      return marks(source);
    };
    const verdicts = await mlm.send(P1, messages(10, { epoch: epoch(1) }, 2));
    expect(new Set(verdicts.map(({ code }) => code))).to.deep.equal(new Set(['BH-E-EPOCH']));
    expect(asked).to.equal(1);
  });

  it('stands at the direct parent only: older epochs of those further down may still be on their way', async () => {
    for (const n of [1, 2]) await say(n, 1, M2);
    await say(1, 1, M2, P2);
    await say(2, 1, M2, P2);
    expect(await say(1, 2, M2, P2)).to.deep.equal(accepted);
  });

  it('two live copies are noticed, refused, shown, and told upward once; a new enrolment ends it', async () => {
    for (let n = 1; n <= 5; n++) await say(n);
    for (let n = 1; n <= 4; n++) await say(n, 2);
    expect(await say(5, 2)).to.deep.include({ accepted: false, code: 'BH-E-CLONE', retryable: true });
    expect(await say(6)).to.deep.include({ code: 'BH-E-CLONE' });
    const told = await notices();
    expect(told.map(({ eventId, severity, instance }) => ({ eventId, severity, instance }))).to.deep.equal([
      { eventId: 'clone', severity: 'critical', instance: P1 },
    ]);
    expect(mlm.core.status().children.find(({ id }) => id === P1)?.state).to.equal('failed');
    expect((await mlm.send(M2, messages(1, { source: M2 })))[0], 'others go on').to.deep.equal(accepted);
    const revoked = membership(2, { components: [component(P1, { state: 'revoked' }), component(M2)], groups: {} });
    await commitChanges(mlm.store, [mlm.core.membership.stage(revoked)!.change]);
    const again = membership(3, { components: [component(P1), component(M2)], groups: {} });
    await commitChanges(mlm.store, [mlm.core.membership.stage(again)!.change]);
    expect(await say(7)).to.deep.equal(accepted);
  });

  it('two live copies are told upward although the commit with the first notice fails', async () => {
    for (let n = 1; n <= 5; n++) await say(n);
    for (let n = 1; n <= 3; n++) await say(n, 2);
    mlm.store.failWrites(1);
    expect(await say(4, 2).catch(({ code }) => code)).to.equal('BH-E-SPOOL-STOPPED');
    await until('the store is open again', () => mlm.store.state === 'open');
    await mlm.clock.advance(60_000);
    for (const sequence of [2, 3]) expect(await say(4, sequence)).to.deep.include({ code: 'BH-E-CLONE' });
    expect(await notices()).to.have.length(1);
  });
});
