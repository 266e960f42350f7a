import { type Header, jsonData, jsonOf, type MessageResponse } from '@backhaul/envelope';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { PROXY, TestParent } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const responses = (parent: TestParent, command: string) =>
  parent.of('command', command).map(({ content }) => content as MessageResponse);

describe('downward: nothing left open', () => {
  leakCheck({ before, after });
  describe('downward', describeDownward);
  describe('a restored copy', describeRestored);
});

function describeDownward(): void {
  let parent: TestParent;
  let proxy: TestProxy;

  before(async () => {
    parent = await new TestParent().start();
    proxy = await TestProxy.start({ parent, settings: { outboundProxy: undefined } });
  });
  after(async () => {
    await proxy.stop();
    await parent.stop();
  });

  it('answers ping, status and configuration itself', async () => {
    const ids = await Promise.all(
      ['ping', 'get-status', 'get-configuration'].map((command) => parent.send('command', command, jsonData({}))),
    );
    const [ping] = await parent.waitFor('command', 'ping');
    expect(ping?.header.inReplyTo).equal(ids[0]);
    expect(ping?.content).include({ type: 'messageResponse', request: ids[0], status: 'done' });
    const [status] = await parent.waitFor('command', 'get-status');
    expect(jsonOf((status!.content as MessageResponse).data)).include({ id: PROXY });
    const [configuration] = await parent.waitFor('command', 'get-configuration');
    expect(jsonOf((configuration!.content as MessageResponse).data)).have.nested.property('spool.maxBytes');
  });

  it('answers an unknown command as refused', async () => {
    const id = await parent.send('command', 'fly', jsonData({}));
    await until('refusal', () => responses(parent, 'fly').length === 1);
    expect(responses(parent, 'fly')[0]).include({ request: id, status: 'refused', code: 'BH-E-COMMAND-UNKNOWN' });
  });

  it('answers what is past its time as expired, and does not do it', async () => {
    await parent.send('command', 'ping', jsonData({}), {
      qos: { precedence: 4, persistent: true, expiresAt: Date.now() - 1 },
    });
    await until('expired', () => responses(parent, 'ping').some(({ status }) => status === 'expired'));
  });

  it('refuses what is addressed to others', async () => {
    await parent.send('command', 'ping', jsonData({}), { destination: { kind: 'component', id: 'c12345678.p2' } });
    await until('refused', () => responses(parent, 'ping').some(({ code }) => code === 'BH-E-TARGET'));
  });

  it('[B3] does once what is delivered twice', async () => {
    const content = jsonData({});
    const before = parent.of('command', 'ping').length;
    const id = await parent.send('command', 'ping', content);
    await until('first answer', () => responses(parent, 'ping').some(({ request }) => request === id));
    const header = {
      ...parent.received[0]!.header,
      id,
      locator: 'destination',
      class: 'command',
      subclass: 'ping',
    } as Header;
    await parent.deliver(
      id,
      { ...header, contentType: 'data', destination: { kind: 'component', id: PROXY } },
      content,
    );
    const marker = await parent.send('command', 'get-status', content);
    await until('marker', () => responses(parent, 'get-status').some(({ request }) => request === marker));
    expect(parent.of('command', 'ping').length).equal(before + 1);
    expect(responses(parent, 'ping').filter(({ request }) => request === id)).length(1);
  });

  it('hands a command for a support instance to its integrator, and its answer up', async () => {
    const { instance, integrator } = await proxy.register();
    const poll = proxy.get(`/v1/commands?integrator=${integrator}&wait=20`);
    const id = await parent.send('command', 'get-status', jsonData({ parameters: { deep: true } }), {
      destination: { kind: 'component', id: instance },
    });
    const { commands } = (await poll).body;
    expect(commands).deep.equal([{ id, instance, command: 'get-status', parameters: { deep: true } }]);
    await until('accepted', () =>
      responses(parent, 'get-status').some(({ request, status }) => request === id && status === 'accepted'),
    );
    expect((await proxy.get(`/v1/commands?integrator=${integrator}`)).body.commands).deep.equal([]); // handed out a moment ago
    const answer = await proxy.post(`/v1/commands/${id}/response`, { status: 'done', text: 'fine', data: { fans: 2 } });
    expect(answer.status).equal(202);
    await until('done', () =>
      responses(parent, 'get-status').some(({ request, status }) => request === id && status === 'done'),
    );
    expect((await proxy.post(`/v1/commands/${id}/response`, { status: 'done' })).status).equal(404);
  });

  it('a command no integrator answers is told as expired', async () => {
    const { instance } = await proxy.register();
    const id = await parent.send('command', 'ping', jsonData({}), {
      destination: { kind: 'component', id: instance },
      qos: { precedence: 4, persistent: true, expiresAt: Date.now() + 300 },
    });
    await until('expired', () =>
      responses(parent, 'ping').some(({ request, status }) => request === id && status === 'expired'),
    );
  });

  it('a message that expires in the spool leaves a receipt in its place', async () => {
    const { instance } = await proxy.register();
    parent.refuse = ({ class: cls }) =>
      cls === 'x-brief' ? { accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 60_000 } : undefined;
    const { verdicts } = (
      await proxy.post('/v1/data', { instance, class: 'x-brief', subclass: 's', data: 1, expiresInMs: 200 })
    ).body;
    const [receipt] = await parent.waitFor('infrastructure', 'receipt');
    expect(receipt?.header.lane).equal(verdicts[0].lane);
    expect((receipt!.content as { text: string }).text).contain(
      `from="${verdicts[0].sequence}" to="${verdicts[0].sequence}" reason="expired"`,
    );
  });
}

function describeRestored(): void {
  it('begins a new epoch when the parent holds more than was ever given, and loses nothing', async () => {
    const parent = await new TestParent().start();
    const port = await parent.hangUp();
    const url = `http://127.0.0.1:${port}`;
    const proxy = await TestProxy.start({ parent: { url } as TestParent });
    try {
      const { instance } = await proxy.register();
      const before = (await proxy.post('/v1/data', { instance, class: 'x-test', subclass: 's', data: 1 })).body;
      parent.ownMarks = [{ source: PROXY, epoch: before.epoch, lane: 6, through: 40 }];
      await parent.start();
      const [received] = await parent.waitFor('x-test', 's', 1, 15_000);
      expect(received?.header.id).equal(before.verdicts[0].id);
      expect(received?.header.epoch).not.equal(before.epoch);
      expect(parent.received.every(({ header }) => header.epoch === received?.header.epoch)).equal(true);
      const after = (await proxy.post('/v1/data', { instance, class: 'x-test', subclass: 's', data: 2 })).body;
      expect(after.epoch).equal(received?.header.epoch);
      expect(after.verdicts[0].sequence).equal(received!.header.sequence + 2); // between them the receipt of the old numbers
    } finally {
      await proxy.stop();
      await parent.stop();
    }
  }).timeout(30_000);
}
