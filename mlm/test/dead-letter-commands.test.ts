import { jsonData, jsonOf, type Message, type MessageResponse, readContent } from '@backhaul/envelope';
import { commitChanges } from '@backhaul/spool';
import { expect } from 'chai';
import { EPOCH, MLM, message, messages, P1, TestMlm, type TestMlmOptions } from './test-mlm.ts';

interface Listed {
  items: { number: number; id: string; source: string; lane: number; code: string; bytes: number }[];
  next?: number;
}

const command = (subclass: string, parameters: object = {}) =>
  message({
    class: 'command',
    subclass,
    content: jsonData({ parameters }),
    destination: { kind: 'component', id: MLM },
  });

describe('dead letters of an MLM, by command', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  /** So many messages that the parent refused for good. */
  const refuse = async (list: readonly Message[]) => {
    const { spool, own } = mlm.core;
    await mlm.send(P1, list);
    await mlm.store.commit([]);
    const claim = (await spool.claim({ maxMessages: 1000, maxBytes: 1e8 }))!;
    const settled = claim.entries.map(() => ({ outcome: 'refused', code: 'BH-E-SCHEMA', detail: 'load1' }) as const);
    const { change, removed } = spool.settle(claim, settled);
    await commitChanges(mlm.store, [change, own.receipts(removed)]);
    await mlm.forwarded();
  };
  let through = 0;
  const ask = async (...sent: Message[]) => {
    await mlm.receive(sent, ++through);
    const forwarded = await mlm.forwarded();
    const responses = forwarded.filter(({ header }) => header.class === 'command');
    const answers = responses.map(({ body }) => readContent(body) as MessageResponse);
    const others = forwarded.filter(({ header }) => header.class !== 'command');
    return { answers, others, results: answers.map(({ data }) => (data === undefined ? undefined : resultOf(data))) };
  };

  it('one that cannot be read is told so, and holds up nothing that comes from above', async () => {
    await begin();
    await mlm.store.commit([{ type: 'put', key: 'spool/d/000000000001', value: Buffer.from('nonsense') }]);
    const { answers } = await ask(
      command('list-dead-letters'),
      command('read-dead-letter', { number: 1 }),
      command('ping'),
    );
    expect(answers.map(({ status, code }) => [status, code])).to.deep.equal([
      ['refused', 'BH-E-INTERNAL'],
      ['refused', 'BH-E-INTERNAL'],
      ['done', undefined],
    ]);
  });

  it('lists them by pages, oldest first', async () => {
    await begin();
    await refuse(messages(5));
    const { results } = await ask(command('list-dead-letters', { limit: 3 }));
    const [page] = results as Listed[];
    expect(page?.items.map(({ number }) => number)).to.deep.equal([1, 2, 3]);
    expect(page?.items[0]).to.include({
      source: P1,
      lane: 6,
      class: 'performance',
      code: 'BH-E-SCHEMA',
      detail: 'load1',
    });
    const { results: more } = await ask(command('list-dead-letters', { after: page?.next ?? 0 }));
    expect((more[0] as Listed).items.map(({ number }) => number)).to.deep.equal([4, 5]);
    expect(more[0]).not.to.have.property('next');
  });

  it('shows one, header and body', async () => {
    await begin();
    const [sent] = messages(1);
    await refuse([sent!]);
    const { results } = await ask(command('read-dead-letter', { number: 1 }));
    const letter = results[0] as { header: string; body: string };
    expect(letter.header).to.equal(Buffer.from(sent!.headerBytes).toString());
    expect(Buffer.from(letter.body, 'base64')).to.deep.equal(Buffer.from(sent!.body));
  });

  it('sends one again in a place of its own, same id and content; then it is gone, and sent only once', async () => {
    await begin();
    const [sent] = messages(1, { instance: `${P1}.s1` });
    await refuse([sent!]);
    const again = command('replay-dead-letter', { number: 1 });
    const before = mlm.store.stats().commits;
    await mlm.receive([again], ++through);
    expect(mlm.store.stats().commits - before, 'in the commit that takes the command').to.equal(1);
    await mlm.crash();
    const forwarded = await mlm.forwarded();
    const replayed = forwarded.filter(({ header }) => header.class === 'performance');
    expect(replayed.map(({ header: { id, source, instance } }) => ({ id, source, instance }))).to.deep.equal([
      { id: sent!.header.id, source: MLM, instance: `${P1}.s1` },
    ]);
    expect(replayed[0]?.header.epoch).not.to.equal(EPOCH);
    expect(Buffer.from(replayed[0]!.body)).to.deep.equal(Buffer.from(sent!.body));
    const { answers, others } = await ask(again, command('replay-dead-letter', { number: 1 }));
    expect(answers.map(({ status, code }) => [status, code])).to.deep.equal([['refused', 'BH-E-NOT-FOUND']]);
    expect(others).to.deep.equal([]);
  });

  it('two commands for the same letter in one page send it once', async () => {
    await begin();
    await refuse(messages(1));
    const { answers, others } = await ask(
      command('replay-dead-letter', { number: 1 }),
      command('replay-dead-letter', { number: 1 }),
    );
    expect(others).to.have.length(1);
    expect(answers.map(({ status }) => status)).to.deep.equal(['done', 'refused']);
  });

  it('discards one', async () => {
    await begin();
    await refuse(messages(2));
    const { answers } = await ask(command('discard-dead-letter', { number: 1 }));
    expect(answers[0]?.status).to.equal('done');
    expect((await mlm.core.spool.deadLetters()).map(({ number }) => number)).to.deep.equal([2]);
  });

  it('what makes no sense is answered, and changes nothing', async () => {
    await begin();
    await refuse(messages(1));
    const { answers } = await ask(
      command('read-dead-letter', { number: 99 }),
      command('read-dead-letter', {}),
      command('discard-dead-letter', { number: 'first' }),
      command('replay-dead-letter', { number: -1 }),
    );
    expect(answers.map(({ code }) => code)).to.deep.equal(['BH-E-NOT-FOUND', 'BH-E-QUERY', 'BH-E-QUERY', 'BH-E-QUERY']);
    expect(mlm.core.spool.depth().deadLetters).to.equal(1);
  });

  it('a full spool refuses the replay and keeps the letter; the page goes on', async () => {
    await begin({ config: { spool: { maxMessages: 64, maxBytes: 1e6, perChild: { maxMessages: 64 } } } });
    await refuse(messages(1));
    await mlm.send(P1, messages(64, { lane: 4 }));
    await mlm.receive([command('replay-dead-letter', { number: 1 })], ++through);
    expect(mlm.core.spool.depth().deadLetters).to.equal(1);
    expect(mlm.core.downward.acknowledged().through).to.equal(through);
  });

  it('is for this MLM’s own store alone: one for somebody below goes on to him', async () => {
    await begin();
    await refuse(messages(1));
    const forP1 = message({
      class: 'command',
      subclass: 'discard-dead-letter',
      content: jsonData({ parameters: { number: 1 } }),
      destination: { kind: 'component', id: P1 },
    });
    await mlm.receive([forP1], ++through);
    const commands = (await mlm.mailbox(P1)).filter(({ header }) => header.class === 'command');
    expect(commands.map(({ header }) => header.id)).to.deep.equal([forP1.header.id]);
    expect(mlm.core.spool.depth().deadLetters).to.equal(1);
  });
});

function resultOf({ text }: { text: string }): unknown {
  return jsonOf({ mimeType: 'application/json', encoding: 'none', text } as never);
}
