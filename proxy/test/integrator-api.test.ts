import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { leakCheck, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { checkSocketPath } from '../src/api/integrator-api.ts';
import { TestParent } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const sample = (instance: string, n = 0) => ({ instance, class: 'x-test', subclass: 'sample', data: { n } });

describe('integrator API: nothing left open', () => {
  leakCheck({ before, after });
  describe('integrator API', describeApi);
  describe('integrator API under pressure', describePressure);
});

function describeApi(): void {
  let parent: TestParent;
  let proxy: TestProxy;
  let instance: string;
  let integrator: string;

  before(async () => {
    parent = await new TestParent().start();
    proxy = await TestProxy.start({ parent });
    ({ instance, integrator } = await proxy.register());
  });
  after(async () => {
    await proxy.stop();
    await parent.stop();
  });

  it('is a Unix socket of the proxy’s user and group', async () => {
    const found = await stat(proxy.socketPath);
    expect(found.isSocket()).equal(true);
    expect(found.mode & 0o777).equal(0o660);
  });

  it('T-A2: JSON nested without end is refused by code, wherever it stands', async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const bodies = [`{"instance":"${instance}","class":"x-test","subclass":"sample","data":${deep}}`, `[${deep}]`];
    for (const body of bodies) {
      const answer = await proxy.post('/v1/data', body);
      expect([answer.status, answer.body.code]).deep.equal([400, 'BH-E-LIMIT-DEPTH']);
    }
  });

  it('gives the same support instance ID for the same management ID, and tells of it once', async () => {
    const again = await proxy.post('/v1/instances', {
      integrator,
      platform: 'snmp',
      managementId: 'host-1',
      name: 'host-1',
      type: 'switch',
    });
    expect(again.status).equal(201);
    expect(again.body.id).equal(instance);
    expect(instance).equal('c12345678.p1.s1');
    const told = await parent.waitFor('infrastructure', 'registration', 2);
    expect(told.map(({ header }) => header.instance)).deep.equal([undefined, instance]);
    const other = await proxy.post('/v1/instances', {
      integrator,
      platform: 'snmp',
      managementId: 'host-2',
      name: 'host-2',
      type: 'switch',
    });
    expect(other.body.id).equal('c12345678.p1.s2');
    const list = await proxy.get('/v1/instances?limit=1');
    expect(list.body.items[0].managementId).equal('host-1');
    expect(list.body.nextCursor).equal(instance);
    expect((await proxy.get(`/v1/instances?cursor=${instance}`)).body.items[0].id).equal('c12345678.p1.s2');
  });

  it('accepts data, an alarm and an event, which go up as XML with the event key of the platform', async () => {
    const data = await proxy.post('/v1/data', sample(instance, 1));
    expect(data.status).equal(202);
    expect(data.body.verdicts[0]).include({ accepted: true, lane: 6 });
    const alarm = await proxy.post('/v1/alarms', {
      ...{ instance, class: 'storage-alarms', subclass: 'filesystem', alarmId: 'filesystem:/var', eventId: 'e-17' },
      ...{
        severity: 'major',
        state: 'open',
        occurredAt: '2026-11-21T03:19:00Z',
        location: '/var',
        text: 'a < b & "c"',
      },
    });
    expect(alarm.body.verdicts[0]).include({ accepted: true, lane: 2 });
    const event = await proxy.post('/v1/events', {
      instance,
      class: 'x-test',
      subclass: 'link',
      eventId: '9',
      text: 'up',
      precedence: 8,
      expiresInMs: 60_000,
    });
    expect(event.body.verdicts[0]).include({ accepted: true, lane: 8 });
    const [received] = await parent.waitFor('storage-alarms', 'filesystem');
    expect(received?.header.eventKey).equal('snmp/host-1/e-17/open/major');
    expect(received?.header.id).equal(alarm.body.verdicts[0].id);
    expect(received?.content).include({
      type: 'alarm',
      text: 'a < b & "c"',
      occurredAt: Date.UTC(2026, 10, 21, 3, 19),
    });
    const [link] = await parent.waitFor('x-test', 'link');
    expect(link?.header.qos).include({ precedence: 8, timeToLive: 60_000 });
  });

  it('answers a batch with a verdict for each message, after one commit', async () => {
    const before = (await proxy.get('/v1/status')).body.store;
    const messages = [
      ...Array.from({ length: 200 }, (_, n) => sample(instance, n)),
      sample('c12345678.p1.s99'),
      { instance, class: 'nope', subclass: 'nope', data: {} },
    ];
    const answer = await proxy.post('/v1/data', { messages });
    const after = (await proxy.get('/v1/status')).body.store;
    expect(answer.status).equal(202);
    const verdicts = answer.body.verdicts;
    expect(verdicts.filter((v: { accepted: boolean }) => v.accepted)).length(200);
    expect(verdicts[200]).include({ accepted: false, code: 'BH-E-NOT-FOUND', retryable: false });
    expect(verdicts[201]).include({ accepted: false, code: 'BH-E-CLASS' });
    const sequences = verdicts.slice(0, 200).map((v: { sequence: number }) => v.sequence);
    expect(sequences.at(-1) - sequences[0]).equal(199);
    expect(after.commits - before.commits).below(20); // not one per message; the rest settles what was sent
  });

  it('[T-A3] refuses names that reach a prototype, at any depth', async () => {
    const body = `{"instance":"${instance}","class":"x-test","subclass":"s","data":{"a":[{"__proto__":{"polluted":1}}]}}`;
    expect((await proxy.post('/v1/data', body)).body).include({ code: 'BH-E-NAME', status: 400 });
    expect(({} as { polluted?: number }).polluted).equal(undefined);
  });

  const refusals: [string, () => Promise<{ status: number; body: { code: string } }>, number, string][] = [
    ['text that is not JSON', () => proxy.post('/v1/data', '{"a":'), 400, 'BH-E-JSON'],
    ['an empty body', () => proxy.post('/v1/data', ''), 400, 'BH-E-SCHEMA'],
    ['a field nobody knows', () => proxy.post('/v1/data', { ...sample(instance), colour: 'red' }), 400, 'BH-E-SCHEMA'],
    ['a missing field', () => proxy.post('/v1/alarms', { instance }), 400, 'BH-E-SCHEMA'],
    [
      'content that its class does not prescribe',
      () => proxy.post('/v1/data', { instance, class: 'performance', subclass: 'sample', data: { load1: 'high' } }),
      400,
      'BH-E-SCHEMA',
    ],
    [
      'an alarm of a data class',
      () =>
        proxy.post('/v1/alarms', {
          instance,
          class: 'os-packages',
          subclass: 'list',
          alarmId: 'a',
          severity: 'info',
          state: 'open',
          text: '',
        }),
      400,
      'BH-E-SCHEMA',
    ],
    [
      'a class of the network itself',
      () =>
        proxy.post('/v1/events', {
          instance,
          class: 'software',
          subclass: 'install',
          eventId: 'x',
          text: '',
          data: { push: '0'.repeat(26), artifact: 'a'.repeat(64), name: 'n', version: '1', state: 'done' },
        }),
      403,
      'BH-E-FORBIDDEN',
    ],
    [
      'a character XML cannot carry',
      () => proxy.post('/v1/events', { instance, class: 'x-t', subclass: 's', eventId: 'x', text: 'a\u0000b' }),
      400,
      'BH-E-CHAR',
    ],
    [
      'a body over 1 MiB',
      () => proxy.post('/v1/data', { ...sample(instance), data: 'x'.repeat(1024 * 1024) }),
      413,
      'BH-E-LIMIT-BODY',
    ],
    [
      'more than 256 messages',
      () =>
        proxy.post(
          '/v1/data',
          Array.from({ length: 257 }, () => sample(instance)),
        ),
      413,
      'BH-E-LIMIT-MESSAGES',
    ],
    [
      'an instance of an unknown integrator',
      () =>
        proxy.post('/v1/instances', {
          integrator: 'c12345678.p1.i9',
          platform: 'snmp',
          managementId: 'a',
          name: 'a',
          type: 'b',
        }),
      404,
      'BH-E-NOT-FOUND',
    ],
    ['a path nobody serves', () => proxy.get('/v1/nothing'), 404, 'BH-E-NOT-FOUND'],
    ['a query nobody knows', () => proxy.get('/v1/commands?integrator=x&colour=red'), 400, 'BH-E-QUERY'],
    [
      'an answer to no command',
      () => proxy.post(`/v1/commands/${'0'.repeat(26)}/response`, { status: 'done' }),
      404,
      'BH-E-NOT-FOUND',
    ],
  ];
  for (const [what, call, status, code] of refusals) {
    it(`refuses ${what} with ${code}`, async () => {
      const answer = await call();
      expect(answer.body.code).equal(code);
      expect(answer.status).equal(status);
      expect(JSON.stringify(answer.body)).not.match(/\bat .*\.ts:/);
    });
  }

  it('refuses a request larger than it reads, before reading it', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(proxy.socketPath);
      socket.end('POST /v1/data HTTP/1.1\r\nHost: p\r\nContent-Length: 99999999999\r\n\r\n');
      let text = '';
      socket.on('data', (chunk) => (text += chunk)).on('close', () => resolve(text));
    });
    expect(answer).match(/^HTTP\/1\.1 413/);
    expect(answer).contain('BH-E-LIMIT-REQUEST');
  });

  it('keeps heartbeats and shows them in the status tree', async () => {
    expect(
      (
        await proxy.post('/v1/heartbeats', {
          integrator,
          instances: [{ id: instance, state: 'degraded', text: 'fan' }],
        })
      ).status,
    ).equal(204);
    const { tree } = (await proxy.get('/v1/status')).body;
    expect(tree).include({ kind: 'proxy', state: 'ok' });
    const [node] = tree.children;
    expect(node).include({ kind: 'integrator', id: integrator, state: 'ok' });
    expect(node.children[0]).include({ kind: 'platform', id: 'snmp', state: 'degraded' });
    expect(node.children[0].children[0]).include({ kind: 'instance', id: instance, state: 'degraded', detail: 'fan' });
  });

  it('says cold start, and a status tree that can be read', async () => {
    const [notice] = await parent.waitFor('infrastructure', 'notice');
    expect(notice?.content).include({ eventId: 'cold-start' });
    await parent.waitFor('infrastructure', 'heartbeat');
  });

  it('refuses a data folder too deep for a socket, and says so', () => {
    expect(() => checkSocketPath(`/${'d'.repeat(107)}`)).throw(/BH-E-CONFIG.*108 bytes, 107 fit/);
    expect(() => checkSocketPath(`/${'d'.repeat(106)}`)).not.throw();
  });
}

function describePressure(): void {
  it('answers 503 with Retry-After when the spool is full, and has accepted nothing', async () => {
    const proxy = await TestProxy.start({
      settings: { spool: { maxBytes: 200_000, maxMessages: 1000, integratorShare: 1 } },
    });
    try {
      const { instance } = await proxy.register();
      let answer = await proxy.post('/v1/data', sample(instance));
      for (let n = 0; n < 50 && answer.status === 202; n++)
        answer = await proxy.post('/v1/data', { ...sample(instance), data: 'x'.repeat(20_000) });
      expect(answer.status).equal(503);
      expect(answer.body.code).equal('BH-E-SPOOL-FULL');
      expect(Number(answer.headers['retry-after'])).above(0);
      const { spool } = (await proxy.get('/v1/status')).body;
      await proxy.post('/v1/data', { ...sample(instance), data: 'x'.repeat(20_000) });
      expect((await proxy.get('/v1/status')).body.spool.messages).equal(spool.messages);
    } finally {
      await proxy.stop();
    }
  });

  it('[DESIGN 4.7] an urgent message makes room, and a receipt takes the place of what had to go', async () => {
    const parent = await new TestParent().start();
    await parent.hangUp();
    const proxy = await TestProxy.start({
      parent: { url: 'http://127.0.0.1:9' } as TestParent,
      settings: { spool: { maxBytes: 200_000, maxMessages: 1000, integratorShare: 1 } },
    });
    try {
      const { instance } = await proxy.register();
      for (let n = 0; n < 9; n++) await proxy.post('/v1/data', { ...sample(instance), data: 'x'.repeat(20_000) });
      const alarm = await proxy.post('/v1/alarms', {
        instance,
        class: 'x-t',
        subclass: 'a',
        alarmId: 'a',
        severity: 'critical',
        state: 'open',
        text: 'x'.repeat(20_000),
      });
      expect(alarm.status).equal(202);
      const { byLane } = (await proxy.get('/v1/status')).body.spool;
      expect(byLane[2].messages).equal(1);
    } finally {
      await proxy.stop();
      await parent.stop();
    }
  });

  it('keeps numbering and mapping over a restart, and everything accepted arrives', async () => {
    const parent = await new TestParent().start();
    const port = await parent.hangUp();
    const folder = await temporaryDirectory('bh-p-');
    let proxy = await TestProxy.start({
      directory: folder.path,
      parent: { url: `http://127.0.0.1:${port}` } as TestParent,
    });
    const { instance } = await proxy.register();
    const first = await proxy.post('/v1/data', sample(instance, 1));
    await proxy.halt();
    proxy = await TestProxy.start({
      directory: folder.path,
      parent: { url: `http://127.0.0.1:${port}` } as TestParent,
    });
    try {
      expect((await proxy.register()).instance).equal(instance);
      const second = await proxy.post('/v1/data', sample(instance, 2));
      expect(second.body.epoch).equal(first.body.epoch);
      expect(second.body.verdicts[0].sequence).equal(first.body.verdicts[0].sequence + 1);
      await parent.start();
      const got = await parent.waitFor('x-test', 'sample', 2, 15_000);
      expect(got.map(({ header }) => header.sequence)).deep.equal([1, 2]);
      await until('shutdown notice of the first run', () => parent.of('infrastructure', 'notice').length >= 3);
      expect(
        parent.of('infrastructure', 'notice').map(({ content }) => (content as { eventId: string }).eventId),
      ).deep.equal(['cold-start', 'shutdown', 'cold-start']);
    } finally {
      await proxy.stop();
      await parent.stop();
      await folder.remove();
    }
  }).timeout(40_000);
}
