import {
  type Destination,
  jsonData,
  jsonOf,
  type Message,
  type MessageResponse,
  readContent,
} from '@backhaul/envelope';
import { expect } from 'chai';
import {
  CUSTOMER,
  component,
  GROUP,
  identities,
  MLM,
  membership,
  message,
  P1,
  P2,
  P3,
  PROXIES,
  peer,
  TestMlm,
  type TestMlmOptions,
} from './test-mlm.ts';

const ping = { class: 'command', subclass: 'ping', content: jsonData({}) };
const toGroup = (name = GROUP) => message({ ...ping, destination: { kind: 'group', name } });
const toComponent = (id: string, over = {}) => message({ ...ping, ...over, destination: { kind: 'component', id } });
const toList = (ids: string[]) => message({ ...ping, destination: { kind: 'list', ids } });
const tell = (document: object) =>
  message({
    class: 'infrastructure',
    subclass: 'membership',
    content: jsonData(document),
    destination: { kind: 'component', id: MLM },
  });

const ids = (list: readonly Message[]) => list.map(({ header }) => header.id);
const responses = (list: readonly Message[]) => list.map(({ body }) => readContent(body) as MessageResponse);

describe('back-channel', () => {
  let mlm: TestMlm;
  const begin = async (options?: TestMlmOptions) => {
    mlm = await TestMlm.create(options);
  };
  afterEach(() => mlm.close());

  const reached = async () => {
    const lists = await Promise.all(PROXIES.map(async (id) => [id, ids(await mlm.mailbox(id))] as const));
    return Object.fromEntries(lists);
  };

  it('a group message reaches each member once, byte for byte, and nobody else', async () => {
    await begin({ membership: membership(1, { groups: { pair: [P1, P3] } }) });
    const sent = toGroup('pair');
    await mlm.receive([sent]);
    expect(await reached()).to.deep.equal({ [P1]: [sent.header.id], [P2]: [], [P3]: [sent.header.id] });
    const [got] = await mlm.mailbox(P1);
    expect(Buffer.from(got?.headerBytes ?? []).equals(sent.headerBytes as never)).to.equal(true);
    expect(Buffer.from(got?.body ?? []).equals(sent.body as never)).to.equal(true);
  });

  it('B3: a message that comes again, in a new mailbox epoch and after a crash too, is not delivered again', async () => {
    await begin();
    const sent = toGroup();
    await mlm.receive([sent, sent], 1);
    await mlm.crash();
    await mlm.core.downward.receive([sent], { epoch: 'b'.repeat(16), through: 1 });
    expect(await reached()).to.deep.equal(Object.fromEntries(PROXIES.map((id) => [id, [sent.header.id]])));
    expect(mlm.core.downward.acknowledged()).to.deep.equal({ epoch: 'b'.repeat(16), through: 1 });
  });

  it('B2: expansion, marks and acknowledgement are one commit; a crash before it leaves nothing of it', async () => {
    await begin();
    const before = mlm.store.stats().commits;
    const sent = toGroup();
    await mlm.receive([sent, toComponent(MLM)], 4);
    expect(mlm.store.stats().commits - before).to.equal(1);
    const receiving = mlm.receive([toGroup()], 5).catch((error) => error);
    await mlm.crash();
    await receiving;
    expect(mlm.core.downward.acknowledged().through).to.equal(4);
    expect((await reached())[P2]).to.deep.equal([sent.header.id]);
  });

  it('a failed commit is not acknowledged, and the next attempt delivers once', async () => {
    await begin();
    mlm.store.failWrites(1);
    const sent = toGroup();
    const error = await mlm.receive([sent], 3).catch((thrown) => thrown);
    expect(error).to.have.property('code', 'BH-E-SPOOL-STOPPED');
    expect(mlm.core.downward.acknowledged().through).to.equal(0);
    await mlm.crash();
    await mlm.receive([sent], 3);
    expect((await reached())[P3]).to.deep.equal([sent.header.id]);
  });

  it('without disk space nothing is acknowledged; it is delivered when there is space again', async () => {
    await begin();
    mlm.store.accepting = false;
    const sent = toGroup();
    const error = await mlm.receive([sent], 3).catch((thrown) => thrown);
    expect(error).to.have.property('code', 'BH-E-SPOOL-FULL');
    expect(mlm.core.downward.acknowledged().through).to.equal(0);
    mlm.store.accepting = true;
    await mlm.receive([sent], 3);
    expect((await reached())[P2]).to.deep.equal([sent.header.id]);
  });

  it('S5: one copy for all members', async () => {
    await begin();
    const before = mlm.store.stats().bytesWritten;
    await mlm.receive([
      message({
        ...ping,
        content: jsonData({ parameters: { text: 'x'.repeat(1000) } }),
        destination: { kind: 'group', name: GROUP },
      }),
    ]);
    expect(mlm.store.stats().bytesWritten - before).to.be.below(3000);
  });

  it('a component, something below a proxy, and a list', async () => {
    await begin();
    const [one, below, list] = [toComponent(P1), toComponent(`${P2}.s7`), toList([P2, P3])];
    await mlm.receive([one, below, list] as Message[]);
    expect(await reached()).to.deep.equal({
      [P1]: ids([one as Message]),
      [P2]: ids([below, list] as Message[]),
      [P3]: ids([list as Message]),
    });
  });

  it('a child MLM gets a group message once, however many members lie below it', async () => {
    const m2 = `${CUSTOMER}.m2`;
    const components = [component(P1), component(m2), component(P2, { parent: m2 }), component(P3, { parent: m2 })];
    await begin({ membership: membership(1, { components, groups: { [GROUP]: PROXIES } }) });
    const sent = toGroup();
    await mlm.receive([sent]);
    expect(ids(await mlm.mailbox(m2))).to.deep.equal([sent.header.id]);
    expect(await reached()).to.deep.equal({ [P1]: [sent.header.id], [P2]: [], [P3]: [] });
  });

  it('an unknown or empty target matches nobody, and the answer says so', async () => {
    const other = 'c0000zzzz.p1';
    await begin({ membership: membership(1, { groups: { [GROUP]: PROXIES, none: [] } }) });
    const lost = [
      toGroup('unknown'),
      toGroup('none'),
      toComponent(`${CUSTOMER}.p9`),
      toComponent(other),
      toList([other]),
    ];
    await mlm.receive(lost);
    expect(await reached()).to.deep.equal({ [P1]: [], [P2]: [], [P3]: [] });
    const answers = await mlm.forwarded();
    expect(answers.map(({ header }) => header.inReplyTo)).to.deep.equal(ids(lost));
    for (const answer of responses(answers)) expect(answer).to.include({ status: 'refused', code: 'BH-E-TARGET' });
  });

  it('a revoked member gets nothing, and is not admitted any more', async () => {
    await begin();
    const components = [component(P1), component(P2, { state: 'revoked' }), component(P3)];
    const sent = toGroup();
    await mlm.receive([tell(membership(2, { components })), sent]);
    expect((await reached())[P2]).to.deep.equal([]);
    expect((await reached())[P3]).to.deep.equal([sent.header.id]);
    expect(() => mlm.core.handler.admit(peer(P2))).to.throw('BH-E-ID-REVOKED');
    expect(mlm.revoked).to.deep.equal([P2]);
  });

  it('membership counts for the message behind it in the same page, and only a newer one is taken', async () => {
    await begin({ membership: membership(5, { groups: { [GROUP]: [P1] } }) });
    const first = toGroup();
    const second = toGroup();
    await mlm.receive([
      tell(membership(4, { groups: { [GROUP]: PROXIES } })),
      first,
      tell(membership(6, { groups: { [GROUP]: [P2] } })),
      second,
    ]);
    expect(await reached()).to.deep.equal({ [P1]: [first.header.id], [P2]: [second.header.id], [P3]: [] });
    await mlm.crash();
    expect(mlm.core.membership.tree.version).to.equal(6);
  });

  it('a membership that cannot be read is answered, and what follows is delivered', async () => {
    await begin();
    const sent = toGroup();
    await mlm.receive([tell({ version: 9, components: 'all' }), sent]);
    expect((await reached())[P1]).to.deep.equal([sent.header.id]);
    expect(responses(await mlm.forwarded())[0]).to.include({ status: 'failed', code: 'BH-E-SCHEMA' });
    expect(mlm.core.membership.tree.version).to.equal(1);
  });

  it('commands to the MLM itself are done and answered', async () => {
    await begin();
    const commands = ['ping', 'get-status', 'get-configuration'].map((subclass) => toComponent(MLM, { subclass }));
    await mlm.receive(commands);
    const answers = await mlm.forwarded();
    expect(identities(answers)).to.deep.equal([1, 2, 3].map((n) => `${MLM}/4/${n}`));
    const [pong, status, configuration] = responses(answers);
    expect(pong).to.include({ status: 'done', request: commands[0]?.header.id });
    expect(jsonOf(status?.data)).to.have.nested.property('children.length', 3);
    expect(jsonOf(configuration?.data)).to.have.property('dataDirectory');
  });

  it('an answer that is too large for a message is told so, and holds up nothing', async () => {
    const components = Array.from({ length: 12_000 }, (_, n) => component(`${CUSTOMER}.p${n + 1}`));
    await begin({ membership: membership(1, { components, groups: {} }) });
    const [large, other] = [toComponent(MLM, { subclass: 'get-status' }), toComponent(MLM)];
    await mlm.receive([large, other]);
    const answers = responses(await mlm.forwarded());
    expect(answers.map(({ status, code }) => [status, code])).to.deep.equal([
      ['failed', 'BH-E-LIMIT-BODY'],
      ['done', undefined],
    ]);
  });

  it('a message that has passed here, or is past its time, is answered and goes nowhere', async () => {
    await begin();
    const looped = toComponent(P1, { routing: [{ id: MLM, in: 1, out: 2 }] });
    const late = toComponent(P1, { timeToLive: 10, routing: [{ id: 'provider.a1', in: 1, out: 2, left: 0 }] });
    await mlm.receive([looped, late]);
    expect((await reached())[P1]).to.deep.equal([]);
    const [loop, expired] = responses(await mlm.forwarded());
    expect(loop).to.include({ status: 'refused', code: 'BH-E-LOOP' });
    expect(expired).to.include({ status: 'expired', code: 'BH-E-EXPIRED' });
  });

  it('what is not fetched in time expires, and one outcome names the members', async () => {
    await begin();
    const sent = message({ ...ping, destination: { kind: 'group', name: GROUP }, timeToLive: 1000 });
    await mlm.receive([sent]);
    const page = await mlm.core.mailboxes.read(P1, { maxMessages: 10, maxBytes: 1e6 });
    await mlm.core.mailboxes.acknowledge(P1, page.epoch, page.through);
    await mlm.clock.advance(1001);
    await mlm.core.housekeeping.look();
    const [outcome] = responses(await mlm.forwarded());
    expect(outcome).to.include({ status: 'expired', request: sent.header.id });
    expect(jsonOf(outcome?.data)).to.deep.equal({ members: [P2, P3] });
    expect((await reached())[P2]).to.deep.equal([]);
  });

  it('a clock that is wrong at a start ends nothing that waits for the children, once the parent has told the time', async () => {
    await begin();
    const sent = toComponent(P1, { timeToLive: 3_600_000 });
    await mlm.receive([sent]);
    const right = mlm.clock.now();
    mlm.clock.jump(365 * 86_400_000);
    await mlm.crash();
    mlm.core.upward.onParentTime(right + 60_000);
    await mlm.clock.advance(61_000);
    await mlm.core.housekeeping.look();
    expect(ids(await mlm.mailbox(P1))).to.deep.equal([sent.header.id]);
  });

  it('a full mailbox of one child keeps nothing from the others', async () => {
    await begin({ config: { mailboxes: { quotaMessages: 1, quotaBytes: 1e6 } } });
    await mlm.receive([toComponent(P1)], 1);
    const sent = toGroup();
    await mlm.receive([sent], 2);
    expect((await reached())[P2]).to.deep.equal([sent.header.id]);
    const [outcome] = responses(await mlm.forwarded());
    expect(outcome).to.include({ status: 'refused', code: 'BH-E-SPOOL-FULL' });
    expect(jsonOf(outcome?.data)).to.deep.equal({ members: [P1] });
  });

  it('T-A20: a mailbox belongs to the identity of the connection; nobody acknowledges for another, or what was never sent', async () => {
    await begin();
    await mlm.receive([toGroup(), toComponent(P1)]);
    const { mailboxes } = mlm.core;
    for (const owner of PROXIES) {
      const page = await mailboxes.read(owner, { maxMessages: 1, maxBytes: 1e6 });
      const beyond = await mailboxes.acknowledge(owner, page.epoch, page.through + 100).catch((error) => error);
      expect(beyond).to.have.property('code', 'BH-E-ACK');
      const foreign = await mailboxes.acknowledge(owner, 'f'.repeat(16), page.through).catch((error) => error);
      expect(foreign).to.have.property('code', 'BH-E-ACK');
    }
    const page = await mailboxes.read(P2, { maxMessages: 10, maxBytes: 1e6 });
    await mailboxes.acknowledge(P2, page.epoch, page.through);
    expect(await reached()).to.satisfy(
      (all: Record<string, string[]>) => all[P1]?.length === 2 && all[P2]?.length === 0 && all[P3]?.length === 1,
    );
  });

  it('admits active direct children of the right kind and customer only', async () => {
    await begin();
    mlm.core.handler.admit(peer(P1));
    for (const id of ['c0000zzzz.p1', `${CUSTOMER}.p9`, `${CUSTOMER}.m2`]) {
      expect(() => mlm.core.handler.admit(peer(id)), id).to.throw('BH-E-ID-UNKNOWN');
    }
    for (const id of ['provider.a1', 'provider.c1'])
      expect(() => mlm.core.handler.admit(peer(id)), id).to.throw('BH-E-ID-KIND');
  });

  it('nobody is admitted while the store is reopened, and what was taken from above stays known', async () => {
    await begin();
    const sent = toGroup();
    await mlm.receive([sent], 3);
    const { marks, handler } = mlm.core;
    const seen: unknown[] = [];
    mlm.store.failWrites(1);
    await mlm.store.commit([{ type: 'put', key: 'x', value: Buffer.of(1) }]).catch(() => undefined);
    while (mlm.store.state !== 'open') {
      expect(() => handler.admit(peer(P1))).to.throw('BH-E-SPOOL-STOPPED');
      seen.push({ through: marks.mailbox.through, known: marks.find(sent.header.id) !== undefined });
      await undefined;
    }
    for (const one of seen) expect(one).to.deep.equal({ through: 3, known: true });
    handler.admit(peer(P1));
  });

  describe('revocation', () => {
    const revoke = (id: string, destination: Destination) =>
      message({
        class: 'infrastructure',
        subclass: 'revocation',
        content: jsonData({ message: id, reason: 'sent to the wrong site' }),
        destination,
      });
    const group: Destination = { kind: 'group', name: GROUP };

    it('takes the message from those who have not read it, answers for them, and goes on to the others', async () => {
      await begin();
      const sent = toGroup();
      await mlm.receive([sent], 1);
      await mlm.mailbox(P1); // read, not acknowledged: it may be there
      const taking = revoke(sent.header.id, group);
      await mlm.receive([taking], 2);
      expect(await reached()).to.deep.equal({ [P1]: [sent.header.id, taking.header.id], [P2]: [], [P3]: [] });
      const [answer] = responses((await mlm.forwarded()).filter(({ header }) => header.class === 'command'));
      expect(answer).to.include({ request: sent.header.id, status: 'refused', code: 'BH-E-REVOKED' });
      expect(jsonOf(answer?.data as never)).to.deep.equal({ members: [P2, P3] });
    });

    it('reaches a message that came in the same page; whoever is not meant keeps it', async () => {
      await begin();
      const sent = toGroup();
      await mlm.receive([sent, revoke(sent.header.id, { kind: 'list', ids: [P1, P2] })], 1);
      await mlm.crash();
      expect(await reached()).to.deep.equal({ [P1]: [], [P2]: [], [P3]: [sent.header.id] });
    });

    it('of a message that nobody here has goes on to its members and has no answer', async () => {
      await begin();
      const taking = revoke('0'.repeat(26), { kind: 'component', id: P1 });
      await mlm.receive([taking], 1);
      expect(await reached()).to.deep.equal({ [P1]: [taking.header.id], [P2]: [], [P3]: [] });
      expect(await mlm.forwarded()).to.deep.equal([]);
    });
  });
});
