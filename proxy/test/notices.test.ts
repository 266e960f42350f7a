import { jsonData, jsonOf, type MessageResponse } from '@backhaul/envelope';
import { systemClock } from '@backhaul/runtime';
import { commitChanges, MemoryStore } from '@backhaul/spool';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { IntegratorClient } from '../src/integrators/integrator-client.ts';
import { NOTICES_PER_INTEGRATOR, NoticeBoard } from '../src/notices/notice-board.ts';
import { PROXY, TestParent } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const ID = '01kajmyb5s8x4qpt3v7c9d2f6g';
const rejected = (instance: string, over: object = {}) => ({
  ...{ id: ID, class: 'x-test', subclass: 's', instance, eventKey: 'snmp/host-1/7', reason: 'evicted' },
  ...{ by: 'c12345678.m1', at: 1_795_230_000_000, ...over },
});

describe('what integrators are told later', () => {
  leakCheck({ before, after });
  let parent: TestParent;
  let proxy: TestProxy;
  let integrator: string;
  let instance: string;
  const notices = async (query = '') => (await proxy.get(`/v1/notices?integrator=${integrator}${query}`)).body.notices;
  const data = (over: object = {}) => ({ instance, class: 'x-test', subclass: 's', data: 1, ...over });

  beforeEach(async () => {
    parent = await new TestParent().start();
    proxy = await TestProxy.start({ parent });
    ({ integrator, instance } = await proxy.register());
  });
  afterEach(async () => {
    await proxy.stop();
    await parent.stop();
  });

  it('a message that expired in the spool, with its event key', async () => {
    parent.refuse = ({ class: cls }) =>
      cls === 'x-test' ? { accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 60_000 } : undefined;
    const { verdicts } = (await proxy.post('/v1/data', data({ eventId: 'e7', expiresInMs: 100 }))).body;
    const [notice] = await notices('&wait=20');
    expect(notice).to.include({
      id: verdicts[0].id,
      instance,
      reason: 'expired',
      eventKey: 'snmp/host-1/e7',
      by: PROXY,
    });
  }).timeout(30_000);

  it('a message that the parent refused for good, which staff may send again', async () => {
    parent.refuse = ({ class: cls }) =>
      cls === 'x-test' ? { accepted: false, code: 'BH-E-SPOOF', retryable: false } : undefined;
    const { verdicts } = (await proxy.post('/v1/data', data())).body;
    const [notice] = await notices('&wait=20');
    expect(notice).to.include({ id: verdicts[0].id, reason: 'dead-letter', code: 'BH-E-SPOOF' });

    await parent.send('command', 'list-dead-letters', jsonData({}));
    const [list] = await parent.waitFor('command', 'list-dead-letters');
    const { items } = jsonOf((list!.content as MessageResponse).data) as { items: { number: number; id: string }[] };
    expect(items).to.have.length(1);
    expect(items[0]).to.include({ id: verdicts[0].id, class: 'x-test', code: 'BH-E-SPOOF' });

    parent.refuse = () => undefined;
    await parent.send('command', 'replay-dead-letter', jsonData({ parameters: { number: items[0]!.number } }));
    const [again] = await parent.waitFor('x-test', 's');
    expect(again!.header).to.include({ id: verdicts[0].id, source: PROXY });
    expect(again!.header.sequence).to.be.above(verdicts[0].sequence);
    await parent.send('command', 'discard-dead-letter', jsonData({ parameters: { number: items[0]!.number } }));
    const [discarded] = await parent.waitFor('command', 'discard-dead-letter');
    expect(discarded!.content).to.include({ status: 'refused', code: 'BH-E-NOT-FOUND' });
  }).timeout(30_000);

  it('a rejection from above, after a restart too; asked for again from where one was', async () => {
    await parent.send('infrastructure', 'rejection', jsonData({ items: [rejected(instance), rejected('c9.p9.s1')] }));
    const [notice, ...others] = await notices('&wait=20');
    expect(others).to.deep.equal([]);
    expect(notice).to.deep.equal({ ...rejected(instance), number: notice.number });
    const { directory } = proxy;
    await proxy.halt();
    proxy = await TestProxy.start({ parent, directory });
    expect(await notices()).to.deep.equal([notice]);
    expect(await notices(`&after=${notice.number}`)).to.deep.equal([]);
    const waiting = notices(`&after=${notice.number}&wait=20`);
    await parent.send('infrastructure', 'rejection', jsonData({ items: [rejected(instance, { reason: 'expired' })] }));
    const [second] = await waiting;
    expect(second.number).to.be.above(notice.number);
    expect(second.reason).to.equal('expired');
  }).timeout(30_000);

  it('refuses what is no question', async () => {
    expect((await proxy.get('/v1/notices?integrator=c12345678.p1.i9')).status).to.equal(404);
    for (const query of ['', '&after=-1', '&after=x', '&wait=61', '&colour=red'])
      expect((await proxy.get(`/v1/notices?integrator=${query === '' ? '' : integrator}${query}`)).status).to.equal(
        400,
      );
  });

  it('one integrator cannot fill the spool alone: another still has room', async () => {
    await proxy.stop();
    proxy = await TestProxy.start({
      settings: { spool: { maxBytes: 400_000, maxMessages: 1000, integratorShare: 0.5 } },
    });
    ({ integrator, instance } = await proxy.register());
    let answer = await proxy.post('/v1/data', data());
    for (let n = 0; n < 40 && answer.status === 202; n++)
      answer = await proxy.post('/v1/data', data({ data: 'x'.repeat(20_000) }));
    expect([answer.status, answer.body.code]).to.deep.equal([503, 'BH-E-QUOTA']);
    expect(Number(answer.headers['retry-after'])).to.be.above(0);
    const other = (await proxy.post('/v1/integrators', { name: 'other', platform: 'snmp', version: '1' })).body.id;
    const second = await proxy.post('/v1/instances', {
      ...{ integrator: other, platform: 'snmp', managementId: 'host-2', name: 'host-2', type: 'switch' },
    });
    expect((await proxy.post('/v1/data', data({ instance: second.body.id }))).status).to.equal(202);
  }).timeout(30_000);

  it('a newer message with the same key takes the place of one that waits; of another instance it does not', async () => {
    await parent.hangUp();
    await until('it is noticed', async () => (await proxy.get('/v1/status')).body.uplink.connected === false, 20_000);
    const other = (
      await proxy.post('/v1/instances', {
        ...{ integrator, platform: 'snmp', managementId: 'host-2', name: 'host-2', type: 'switch' },
      })
    ).body.id;
    for (const [id, value] of [
      [instance, 1],
      [other, 2],
      [instance, 3],
      [instance, 4],
    ] as const)
      await proxy.post('/v1/data', data({ instance: id, data: value, supersedeKey: 'link' }));
    await parent.start();
    const received = await parent.waitFor('x-test', 's', 2, 20_000);
    expect(received.map(({ content }) => jsonOf(content as never))).to.deep.equal([2, 4]);
    const [receipt] = await parent.waitFor('infrastructure', 'receipt', 1, 20_000);
    expect((receipt!.content as { text: string }).text).to.include('reason="superseded"');
  }).timeout(50_000);

  it('the same command by two paths is done once, and both are answered with the first result', async () => {
    const eventKey = `command/${ID}`;
    const target = { destination: { kind: 'component', id: instance } as const, eventKey };
    const first = await parent.send('command', 'get-status', jsonData({}), target);
    const second = await parent.send('command', 'get-status', jsonData({}), target);
    const answers = () => parent.of('command', 'get-status').map(({ content }) => content as MessageResponse);
    const answered = (request: string, status: string) =>
      answers().find((answer) => answer.request === request && answer.status === status);
    await until(
      'both are taken',
      () => answered(first, 'accepted') !== undefined && answered(second, 'accepted') !== undefined,
    );
    const { commands } = (await proxy.get(`/v1/commands?integrator=${integrator}&wait=5`)).body;
    expect(commands.map(({ id }: { id: string }) => id)).to.deep.equal([first]);
    await proxy.post(`/v1/commands/${first}/response`, { status: 'done', text: 'fine', data: { fans: 2 } });
    await until('done', () => answered(first, 'done') !== undefined);
    const { directory } = proxy;
    await proxy.halt();
    proxy = await TestProxy.start({ parent, directory });
    const third = await parent.send('command', 'get-status', jsonData({}), target);
    await until('answered', () => answered(third, 'done') !== undefined, 10_000);
    expect(answered(third, 'done')!.text).to.equal('fine');
    expect(jsonOf(answered(third, 'done')!.data)).to.deep.equal({ fans: 2 });
    expect((await proxy.get(`/v1/commands?integrator=${integrator}`)).body.commands).to.deep.equal([]);
  }).timeout(30_000);

  it('the reference client does not do again what it has done, and answers it again', async () => {
    const client = new IntegratorClient({
      socketPath: proxy.socketPath,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    const id = await parent.send('command', 'ping', jsonData({}), { destination: { kind: 'component', id: instance } });
    const [command] = await client.commands(integrator, 20);
    expect(command!.id).to.equal(id);
    await client.answer(command!.id, { status: 'done', text: 'once' });
    await client.answer(command!.id, { status: 'done', text: 'once' }).catch(() => {}); // 404: it was answered
    await parent.send('infrastructure', 'rejection', jsonData({ items: [rejected(instance)] }));
    const [notice] = await client.notices(integrator, 0, 20);
    expect(notice).to.include({ id: ID, reason: 'evicted' });
    await client.close();
  }).timeout(30_000);
});

describe('the board of notices', () => {
  it('is bounded for each integrator, the oldest going first, in memory and on disk', async () => {
    const store = new MemoryStore();
    await store.start();
    const board = new NoticeBoard({ store, clock: systemClock });
    await board.load();
    const never = new AbortController().signal;
    const item = (n: number) => ({ ...rejected('i'), at: n }) as never;
    for (let n = 0; n < 5; n++) {
      const items = Array.from({ length: 250 }, (_, i) => ({ integrator: 'i1', item: item(n * 250 + i) }));
      await commitChanges(store, [board.stage(items), board.stage([{ integrator: 'i2', item: item(n) }])]);
    }
    expect(board.size).to.equal(NOTICES_PER_INTEGRATOR + 5);
    let kept = 0;
    for await (const _ of store.scan('notice/')) kept++;
    expect(kept).to.equal(NOTICES_PER_INTEGRATOR + 5);
    const [oldest] = await board.after('i1', 0, 0, never);
    expect(oldest!.at).to.equal(250);
    const again = new NoticeBoard({ store, clock: systemClock });
    await again.load();
    expect(again.size).to.equal(board.size);
    expect(await again.after('i1', 0, 0, never)).to.deep.equal(await board.after('i1', 0, 0, never));
    await store.stop();
  });

  it('is bounded on disk though stagings overlap: what both left over goes with the next one', async () => {
    const store = new MemoryStore();
    await store.start();
    const board = new NoticeBoard({ store, clock: systemClock });
    await board.load();
    const items = (count: number) =>
      Array.from({ length: count }, () => ({ integrator: 'i1', item: rejected('i') as never }));
    await commitChanges(store, [board.stage(items(NOTICES_PER_INTEGRATOR))]);
    await commitChanges(store, [board.stage(items(10)), board.stage(items(10))]);
    await commitChanges(store, [board.stage(items(1))]);
    let kept = 0;
    for await (const _ of store.scan('notice/')) kept++;
    expect(kept).to.equal(NOTICES_PER_INTEGRATOR);
    expect(board.size).to.equal(NOTICES_PER_INTEGRATOR);
    await store.stop();
  });

  it('numbers that begin anew with a new store hide nothing from who has seen higher ones', async () => {
    const store = new MemoryStore();
    await store.start();
    const board = new NoticeBoard({ store, clock: systemClock });
    await board.load();
    const never = new AbortController().signal;
    await commitChanges(store, [board.stage([{ integrator: 'i1', item: rejected('i') as never }])]);
    expect(await board.after('i1', 1, 0, never)).to.deep.equal([]);
    expect(await board.after('i1', 500, 0, never)).to.have.length(1);
    await store.stop();
  });
});
