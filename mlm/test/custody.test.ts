import type { Verdict } from '@backhaul/envelope';
import { BackhaulError, loadConfig } from '@backhaul/runtime';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { mlmConfig } from '../src/index.ts';
import {
  component,
  EPOCH,
  identities,
  isReceipt,
  membership,
  message,
  messages,
  OTHER,
  P1,
  P2,
  PARENT,
  TestMlm,
  type TestMlmOptions,
} from './test-mlm.ts';

const accepted = { accepted: true };
const passthrough = { custody: { default: 'passthrough' } };
const placesOf = (list: readonly { source: string; lane: number; sequence: number }[]) =>
  list.map(({ source, lane, sequence }) => `${source}/${lane}/${sequence}`);

describe('custody', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());
  const through = () => mlm.core.handler.marks({ identity: { id: P1 } } as never);

  it('passthrough: sent on at once, answered as the parent answers, nothing of it in the spool', async () => {
    await begin({ config: passthrough });
    const sent = messages(3);
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(placesOf(mlm.relayed)).to.deep.equal(identities(sent));
    expect(Buffer.from(mlm.relayed[0]?.header ?? []).equals(sent[0]?.headerBytes as never)).to.equal(true);
    expect(mlm.core.spool.depth().messages).to.equal(0);
  });

  it('what the parent accepted is seen here from then on: a retry is accepted and not sent again, after a crash too', async () => {
    await begin({ config: passthrough });
    await mlm.send(P1, messages(2));
    await mlm.crash();
    expect(await mlm.send(P1, messages(2))).to.deep.equal([accepted, accepted]);
    expect(mlm.relayed).to.have.length(2);
    expect(through()).to.deep.include({ source: P1, epoch: EPOCH, lane: 6, through: 2, newest: true });
  });

  it('nothing is seen before the parent has accepted: after a crash in between it is sent again', async () => {
    await begin({ config: passthrough });
    let asked = 0;
    const answers: ((verdicts: Verdict[]) => void)[] = [];
    mlm.relay = () => {
      asked += 1;
      return new Promise((resolve) => answers.push(resolve));
    };
    const first = mlm.send(P1, messages(1)).catch((thrown) => thrown);
    await until('it is sent', () => asked === 1);
    expect(through()).to.deep.equal([]);
    await mlm.crash();
    answers[0]?.([accepted]);
    await first;
    const again = mlm.send(P1, messages(1));
    await until('it is sent again', () => asked === 2);
    answers[1]?.([accepted]);
    expect(await again).to.deep.equal([accepted]);
  });

  it('a refusal above is the refusal here, with its wait; the sender keeps it and nothing is remembered', async () => {
    await begin({ config: passthrough });
    const verdicts: Verdict[] = [
      accepted,
      { accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 700 },
      { accepted: false, code: 'BH-E-SCHEMA', retryable: false, detail: 'metrics' },
    ];
    mlm.relay = async () => verdicts;
    expect(await mlm.send(P1, messages(3))).to.deep.equal(verdicts);
    expect(through()).to.deep.equal([{ source: P1, epoch: EPOCH, lane: 6, through: 1, newest: true }]);
    expect(mlm.core.spool.depth().messages).to.equal(0);
  });

  it('one customer cannot fill the line upward: beside others it has a share, and what is more is refused with a wait', async () => {
    const other = `${OTHER}.p1`;
    const components = [P1, P2, other].map((id) => component(id));
    await begin({ config: passthrough, membership: membership(1, { components, groups: {} }) });
    const answers: (() => void)[] = [];
    mlm.relay = (entries) =>
      new Promise((resolve) => answers.push(() => resolve(entries.map(() => ({ accepted: true })))));
    const send = (source: string, sequence: number) => mlm.send(source, [message({ source, sequence })]);
    const flood = Array.from({ length: 33 }, (_, i) => send(i % 2 ? P1 : P2, i + 1));
    const [over] = (await flood[32])!;
    expect(over).to.deep.include({ accepted: false, code: 'BH-E-BUSY', retryable: true, waitMs: 1000 });
    const meek = send(other, 1);
    await until('the other one is sent', () => answers.length === 33);
    for (const answer of answers.splice(0)) answer();
    expect(await meek).to.deep.equal([accepted]);
    expect((await Promise.all(flood.slice(0, 32))).flat().every((verdict) => verdict.accepted)).to.equal(true);
    const again = send(P2, 33);
    await until('there is room again', () => answers.length === 1);
    answers[0]!();
    expect(await again).to.deep.equal([accepted]);
  });

  it('without a parent it is refused at once, retryably', async () => {
    await begin({ config: passthrough });
    mlm.relay = () => Promise.reject(new BackhaulError('BH-E-PARENT-UNREACHABLE', { retryAfterMs: 1234 }));
    const [verdict] = await mlm.send(P1, messages(1));
    expect(verdict).to.include({ accepted: false, code: 'BH-E-PARENT-UNREACHABLE', retryable: true, waitMs: 1234 });
    mlm.relay = () => Promise.reject(new BackhaulError('BH-E-SCHEMA'));
    expect((await mlm.send(P1, messages(1)))[0]).to.include({ accepted: false, retryable: true });
  });

  it('an answer that does not speak of every message accepts none', async () => {
    await begin({ config: passthrough });
    mlm.relay = async () => [accepted];
    const verdicts = await mlm.send(P1, messages(2));
    expect(verdicts.map((verdict) => verdict.accepted)).to.deep.equal([false, false]);
    expect(through()).to.deep.equal([]);
  });

  it('figure 16: the filter drops with a receipt, the throttle refuses with a wait, before anything is sent on', async () => {
    const modules = [
      { use: 'filter', rules: [{ class: 'performance', subclass: 'interface' }] },
      { use: 'throttle', rules: [{ class: 'performance', messagesPerSecond: 10, burst: 0.2 }] },
    ];
    await begin({ config: passthrough, modules });
    const [dropped, one, two, over] = await mlm.send(P1, [message({ subclass: 'interface' }), ...messages(3, {}, 2)]);
    expect([dropped, one, two]).to.deep.equal([accepted, accepted, accepted]);
    expect(over).to.include({ accepted: false, code: 'BH-E-THROTTLE', retryable: true });
    expect(placesOf(mlm.relayed)).to.deep.equal([`${P1}/6/2`, `${P1}/6/3`]);
    expect((await mlm.forwarded()).map(isReceipt)).to.deep.equal([true]);
    await mlm.clock.advance(over?.waitMs ?? 0);
    expect(await mlm.send(P1, messages(1, {}, 4))).to.deep.equal([accepted]);
  });

  it('is chosen by class and subclass: what names the subclass comes first, then the class, then the default', async () => {
    const classes = [
      { class: 'performance', custody: 'passthrough' },
      { class: 'performance', subclass: 'summary', custody: 'spool' },
    ];
    await begin({ config: { custody: { classes } } });
    const sent = [
      message({}),
      message({ subclass: 'summary', sequence: 2 }),
      message({ class: 'os-packages', subclass: 'list', lane: 6, sequence: 3 }),
    ];
    expect(await mlm.send(P1, sent)).to.deep.equal(sent.map(() => accepted));
    expect(placesOf(mlm.relayed)).to.deep.equal([`${P1}/6/1`]);
    expect(identities(await mlm.forwarded())).to.deep.equal([`${P1}/6/2`, `${P1}/6/3`]);
  });

  it('what is aggregated is spooled: the configuration is refused by the path that says otherwise', () => {
    const modules = [
      { use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 1000 }] },
    ];
    const load = (custody: object) =>
      loadConfig(mlmConfig, {
        env: {},
        overrides: {
          dataDirectory: '/nowhere',
          parents: [{ id: PARENT, url: 'https://127.0.0.1:1' }],
          modules,
          custody,
        },
      });
    const spooled = { class: 'performance', subclass: 'sample', custody: 'spool' };
    const relayed = { class: 'performance', custody: 'passthrough' };
    expect(() => load({ default: 'passthrough' })).to.throw('custody.default');
    expect(() => load({ classes: [relayed] })).to.throw('custody.classes[0].custody');
    expect(() => load({ default: 'passthrough', classes: [relayed, spooled] })).not.to.throw();
  });
});
