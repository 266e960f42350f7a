import { randomBytes } from 'node:crypto';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { artifactForm } from './support/artifact-form.ts';
import { RawUplink } from './support/raw-uplink.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

describe('Relay listener of the application server', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  let uplink: RawUplink;

  before(async () => {
    test = await TestAppserver.create();
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    uplink = new RawUplink(test, mlm);
  });
  after(async () => {
    await uplink.close();
    await test.stop();
  });

  it('an envelope sent again after a lost reply is stored once', async () => {
    const source = new Sender(proxies[0]!, '1'.repeat(16));
    const messages = [source.data(), source.alarm(), source.data()];
    const first = await uplink.send(messages);
    const again = await uplink.send(messages);
    expect(first.response!.verdicts.map(({ accepted }) => accepted)).to.deep.equal([true, true, true]);
    expect(again.response!.verdicts).to.deep.equal(first.response!.verdicts);
    const stored = await test.queries.from('messages').select('id').where('epoch', '=', source.epoch).execute();
    expect(stored).to.have.length(3);
    expect((await test.api('GET', '/alarms')).body.items[0].times).to.equal(1);
  });

  it('the way of a message is told hop by hop', async () => {
    const source = new Sender(proxies[0]!, '2'.repeat(16));
    const message = source.data();
    await uplink.send([message]);
    const { body } = await test.api('GET', `/messages/${message.header.id}/trace`);
    expect(body.hops.map(({ id }: { id: string }) => id)).to.deep.equal([source.id, 'provider.a1']);
    expect(body.hops[1].out).to.equal(null);
  });

  it('B1: a mailbox is handed out until it is acknowledged; a held poll is answered when something comes', async () => {
    const poll = (ack: string, wait = 0) =>
      uplink.send([], { 'backhaul-ack': ack, ...(wait > 0 ? { prefer: `wait=${wait}` } : {}) });
    const [first, second] = [await poll('0:0'), await poll('0:0')];
    expect(first.messages!.length).to.be.greaterThan(0);
    expect(second.messages!.map(({ id }) => id)).to.deep.equal(first.messages!.map(({ id }) => id));
    const held = poll(String(second.mailbox), 20);
    const { id } = (await test.api('POST', '/commands', { destination: { group: 'site-a' }, command: 'ping' })).body;
    const got = await held;
    expect(got.messages!.map((message) => message.id)).to.deep.equal([id]);
    expect((await poll(String(got.mailbox))).messages).to.deep.equal([]);
    expect((await poll(String(got.mailbox).replace(/\d+$/, '999'))).problem!.code).to.equal('BH-E-ACK');
  });

  it('an artifact is handed out whole or in part to who should have it, and counted', async () => {
    const bytes = randomBytes(100_000);
    const { form, sha256 } = artifactForm(bytes);
    await test.http('POST', '/api/v1/artifacts', { body: form, headers: { authorization: `Bearer ${test.secret}` } });
    expect((await uplink.fetch(sha256)).status).to.equal(404);
    const { id } = (await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a' })).body;
    const part = await uplink.fetch(sha256, { range: 'bytes=0-999' });
    expect([part.status, part.bytes.equals(bytes.subarray(0, 1_000))]).to.deep.equal([206, true]);
    expect((await uplink.fetch(sha256, { range: 'bytes=1000-' })).bytes.equals(bytes.subarray(1_000))).to.equal(true);
    await until('counted', async () => (await test.api('GET', `/pushes/${id}`)).body.wanBytes === 100_000);
    expect((await test.api('GET', `/pushes/${id}`)).body.wanFetches).to.equal(1);
  });

  it('a proxy registered below an MLM is not taken here, a stranger neither', async () => {
    for (const id of [proxies[0]!, 'c00000000.m1']) {
      const stranger = new RawUplink(test, id);
      expect((await stranger.send([])).problem!.code, id).to.equal('BH-E-ID-UNKNOWN');
      await stranger.close();
    }
  });

  it('T-A15: a revoked component is refused at its next request, and its held poll is cut', async () => {
    const site = await test.addSite('site-revoked', 1);
    const own = new RawUplink(test, site.mlms[0]!);
    const first = await own.send([], { 'backhaul-ack': '0:0' });
    const held = own.send([], { 'backhaul-ack': String(first.mailbox), prefer: 'wait=30' }).then(
      () => 'answered',
      () => 'cut',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await test.api('POST', `/components/${site.mlms[0]}/revoke`)).body.state).to.equal('revoked');
    expect(
      await Promise.race([held, new Promise((resolve) => setTimeout(() => resolve('still held'), 2_000))]),
    ).to.be.oneOf(['cut', 'answered']);
    expect((await own.send([])).problem!.code).to.equal('BH-E-ID-REVOKED');
    await own.close();
  });
});
