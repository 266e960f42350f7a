import type { ErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import {
  CLASSES,
  type Content,
  checkContent,
  classSchema,
  describeClass,
  jsonData,
  jsonElement,
  payloadOf,
  performanceSample,
  writeHoldings,
  writeReceipts,
  writeStatus,
} from '../src/index.ts';
import { codeOf, expectCode } from './codes.ts';
import { EPOCH, INSTANCE, PROXY, sampleAlarm, sampleId } from './samples.ts';

const sha256 = 'ab'.repeat(32);
const event = (eventId: string, data?: unknown): Content => ({
  type: 'event',
  eventId,
  severity: 'info',
  instance: PROXY,
  occurredAt: 1,
  text: '',
  ...(data === undefined ? {} : { data: jsonElement(data) }),
});
const install = {
  push: sampleId(1),
  artifact: sha256,
  name: 'demo-app',
  version: '1.0.0',
  state: 'percent',
  percent: 40,
};
const offer = { manifest: '{"name":"demo-app"}', signature: `${'A'.repeat(86)}==`, publicKey: 'AAAA' };
const bulkRequest = (data: unknown): Content => ({
  type: 'bulkDataRequest',
  sha256,
  size: 10,
  class: 'software',
  subclass: 'offer',
  name: 'demo-app',
  artifactVersion: '1.0.0',
  location: `/v1/artifacts/${sha256}`,
  data: jsonElement(data),
});
const sample = { load1: 0.5, cpuBusyFraction: 0.25, memoryUsedBytes: 1_000_000 };
const rejected = {
  id: sampleId(1),
  class: 'performance',
  subclass: 'sample',
  instance: INSTANCE,
  eventKey: 'host/machine-7/1',
  reason: 'evicted',
  code: 'BH-E-SPOOL-FULL',
  by: 'c0a1b2c3d.m1',
  at: 1,
};
const membership = {
  version: 1,
  components: [
    { id: PROXY, kind: 'proxy', parent: 'c0a1b2c3d.m1', customer: 'c0a1b2c3d', site: 'site-a', state: 'active' },
  ],
  groups: { 'site-a': [PROXY] },
};

/** One good content of every class. */
const GOOD: Readonly<Record<string, Content>> = {
  'os-packages/list': jsonData({
    manager: 'dpkg',
    packages: [{ name: 'bash', version: '5.2', architecture: 'amd64' }],
    part: 1,
    parts: 2,
  }),
  'patches/available': jsonData({ manager: 'rpm', available: [], state: 'unavailable', reason: 'no lists' }),
  'disk-configuration/list': jsonData({
    devices: [{ name: 'sda', sizeBytes: 5, rotational: false }],
    filesystems: [{ device: '/dev/sda1', mountpoint: '/', type: 'ext4', sizeBytes: 5, usedBytes: 2 }],
  }),
  'system-configuration/summary': jsonData({
    hostname: 'h',
    platform: 'linux',
    release: '6.1',
    architecture: 'x64',
    cpus: 2,
    cpuModel: '',
    memoryBytes: 8,
    bootedAt: 1,
  }),
  'performance/sample': jsonData(sample),
  'performance/summary': jsonData({ count: 5, from: 1, to: 2, metrics: { load1: { min: 0, mean: 1, max: 2 } } }),
  'performance/interface': jsonData({ interface: 'eth0', receivedBytes: 1, sentBytes: 2 }),
  'system-alarms/units': sampleAlarm({ alarmId: 'units' }),
  'system-alarms/journal': sampleAlarm({ alarmId: 'journal', state: 'unavailable', text: 'no journal here' }),
  'system-alarms/load': sampleAlarm({ alarmId: 'load', state: 'clear' }),
  'storage-alarms/filesystem': sampleAlarm(),
  'infrastructure/heartbeat': writeStatus(1, { kind: 'proxy', id: PROXY, state: 'ok', children: [] }),
  'infrastructure/notice': event('cold-start'),
  'infrastructure/registration': jsonData({
    kind: 'instance',
    id: INSTANCE,
    platform: 'host',
    managementId: 'machine-7',
  }),
  'infrastructure/receipt': writeReceipts([
    { source: PROXY, epoch: EPOCH, lane: 6, from: 1, to: 2, reason: 'filtered', at: 'c0a1b2c3d.m1' },
  ]),
  'infrastructure/holdings': writeHoldings({
    madeAt: 1,
    own: [{ epoch: EPOCH, lane: 4, last: 9 }],
    ranges: [{ source: PROXY, epoch: EPOCH, lane: 4, from: 8, to: 9, messages: 2 }],
    truncated: false,
  }),
  'infrastructure/rejection': jsonData({ items: [rejected] }),
  'infrastructure/transfer': event('transfer', {
    sha256,
    wanBytes: 10,
    fetches: 1,
    lanBytes: 30,
    destinations: [PROXY],
  }),
  'infrastructure/membership': jsonData(membership),
  'infrastructure/revocation': jsonData({ message: sampleId(1), reason: 'sent to the wrong site' }),
  'command/ping': jsonData({}),
  'command/get-status': jsonData({ parameters: { verbose: true } }),
  'command/get-configuration': {
    type: 'messageResponse',
    request: sampleId(1),
    status: 'done',
    text: '',
    data: jsonElement({ any: 1 }),
  },
  'command/list-dead-letters': jsonData({ parameters: { after: 7, limit: 50 } }),
  'command/read-dead-letter': jsonData({ parameters: { number: 8 } }),
  'command/replay-dead-letter': jsonData({ parameters: { number: 8 } }),
  'command/discard-dead-letter': jsonData({ parameters: { number: 8 } }),
  'software/offer': bulkRequest(offer),
  'software/authorisation': { type: 'bulkDataResponse', request: sampleId(1), status: 'granted', text: '' },
  'software/install': event('percent', install),
};

const check = (name: string, content: Content) => checkContent(...(name.split('/') as [string, string]), content);

describe('every class', () => {
  it('has a good example here', () => {
    expect(Object.keys(GOOD)).to.have.members(CLASSES.map((entry) => `${entry.class}/${entry.subclass}`));
  });

  for (const [name, content] of Object.entries(GOOD)) {
    it(`${name}: takes its example and gives it back as it is`, () => expect(check(name, content)).to.equal(content));

    it(`${name}: refuses another content type`, () => {
      const other: Content = content.type === 'event' ? sampleAlarm() : event('x');
      expectCode(() => check(name, other), 'BH-E-SCHEMA');
    });

    it(`${name}: refuses a field it does not know`, () => {
      const [cls, subclass] = name.split('/') as [string, string];
      const entry = classSchema(cls, subclass);
      if (entry?.json === undefined || entry.jsonIn?.includes(content.type) === false) return;
      const data = content.type === 'data' ? content : content.type === 'bulkDataResponse' ? undefined : content.data;
      const more = jsonElement({ ...(JSON.parse(data?.text ?? '') as object), colour: 'red' });
      const changed = (content.type === 'data' ? { ...content, ...more } : { ...content, data: more }) as Content;
      expectCode(() => check(name, changed), 'BH-E-SCHEMA');
    });
  }
});

describe('a class refuses', () => {
  const text = (json: string): Content => ({
    type: 'data',
    mimeType: 'application/json',
    encoding: 'none',
    text: json,
  });
  const bad: readonly (readonly [what: string, name: string, content: Content, code: ErrorCode])[] = [
    ['an unknown class', 'gossip/list', jsonData({}), 'BH-E-CLASS'],
    ['an unknown subclass', 'performance/gossip', jsonData({}), 'BH-E-CLASS'],
    ['__proto__ as class', '__proto__/list', jsonData({}), 'BH-E-CLASS'],
    ['what is not JSON', 'performance/sample', text('{'), 'BH-E-JSON'],
    ['another MIME type', 'performance/sample', { ...jsonData(sample), mimeType: 'text/plain' }, 'BH-E-JSON'],
    ['a missing data element', 'software/install', event('percent'), 'BH-E-JSON'],
    ['__proto__ in JSON', 'x-own/any', text('{"__proto__":{"polluted":1}}'), 'BH-E-NAME'],
    ['constructor deep in JSON', 'x-own/any', text('[{"a":[{"constructor":1}]}]'), 'BH-E-NAME'],
    [
      'a __proto__ key where keys are free',
      'performance/summary',
      text('{"count":1,"from":1,"to":2,"metrics":{"__proto__":{}}}'),
      'BH-E-NAME',
    ],
    ['JSON nested too deep', 'x-own/any', text('['.repeat(100_000) + ']'.repeat(100_000)), 'BH-E-LIMIT-DEPTH'],
    ['a fraction above 1', 'performance/sample', jsonData({ ...sample, cpuBusyFraction: 1.5 }), 'BH-E-SCHEMA'],
    [
      'a negative count',
      'performance/interface',
      jsonData({ interface: 'eth0', receivedBytes: -1, sentBytes: 2 }),
      'BH-E-SCHEMA',
    ],
    ['a number as text', 'performance/sample', jsonData({ ...sample, load1: '0.5' }), 'BH-E-SCHEMA'],
    ['a summary backwards', 'performance/summary', jsonData({ count: 5, from: 2, to: 1, metrics: {} }), 'BH-E-SCHEMA'],
    [
      'an unavailable alarm without a reason',
      'system-alarms/units',
      sampleAlarm({ state: 'unavailable', text: ' ' }),
      'BH-E-SCHEMA',
    ],
    [
      'a file system alarm named otherwise',
      'storage-alarms/filesystem',
      sampleAlarm({ alarmId: '/var' }),
      'BH-E-SCHEMA',
    ],
    ['an unknown notice', 'infrastructure/notice', event('party'), 'BH-E-SCHEMA'],
    [
      'a heartbeat that is no status tree',
      'infrastructure/heartbeat',
      { ...jsonData({}), mimeType: 'text/xml', text: '<a/>' },
      'BH-E-XML-ELEMENT',
    ],
    ['receipts that are none', 'infrastructure/receipt', jsonData({}), 'BH-E-XML-ELEMENT'],
    ['holdings that are none', 'infrastructure/holdings', jsonData({}), 'BH-E-XML-ELEMENT'],
    ['an empty rejection', 'infrastructure/rejection', jsonData({ items: [] }), 'BH-E-SCHEMA'],
    [
      'a rejection of more than 256',
      'infrastructure/rejection',
      jsonData({ items: Array.from({ length: 257 }, () => rejected) }),
      'BH-E-SCHEMA',
    ],
    [
      'a rejection for no reason',
      'infrastructure/rejection',
      jsonData({ items: [{ ...rejected, reason: 'whim' }] }),
      'BH-E-SCHEMA',
    ],
    ['an unknown install state', 'software/install', event('x', { ...install, state: 'dreaming' }), 'BH-E-SCHEMA'],
    ['a short signature', 'software/offer', bulkRequest({ ...offer, signature: 'AAAA' }), 'BH-E-SCHEMA'],
    [
      'a group with a bad name',
      'infrastructure/membership',
      jsonData({ ...membership, groups: { 'Site A': [] } }),
      'BH-E-SCHEMA',
    ],
  ];
  for (const [what, name, content, code] of bad)
    it(`${what}: ${code}`, () => expectCode(() => check(name, content), code));

  it('and names the field', () => {
    try {
      check('performance/sample', jsonData({ ...sample, load1: 'high' }));
      expect.fail('accepted');
    } catch (thrown) {
      expect(String(thrown)).to.include('load1');
    }
  });
});

describe('how a class travels', () => {
  it('open critical and major alarms go before the rest', () => {
    const lane = (changes: Parameters<typeof sampleAlarm>[0]) =>
      describeClass('system-alarms', 'load', sampleAlarm(changes)).lane;
    expect(lane({ severity: 'critical' })).to.equal(2);
    expect(lane({ severity: 'major' })).to.equal(2);
    expect(lane({ severity: 'minor' })).to.equal(4);
    expect(lane({ severity: 'critical', state: 'clear' })).to.equal(4);
  });

  it('classification, lane and content type of each kind', () => {
    expect(describeClass('performance', 'sample')).to.deep.equal({
      classification: 'monitoring',
      lane: 6,
      contentType: 'data',
    });
    expect(describeClass('os-packages', 'list').classification).to.equal('data-collection');
    expect(describeClass('command', 'ping')).to.deep.equal({
      classification: 'infrastructure-administration',
      lane: 4,
      contentType: 'data',
    });
    expect(describeClass('command', 'ping', GOOD['command/get-configuration']).contentType).to.equal('messageResponse');
  });

  it('classes of one’s own begin with x- and are free', () => {
    expect(describeClass('x-boiler', 'pressure').lane).to.equal(6);
    expect(check('x-boiler/pressure', jsonData({ any: ['thing'] }))).to.be.an('object');
    expect(check('x-boiler/pressure', { type: 'data', mimeType: 'text/csv', encoding: 'none', text: 'a;b' })).to.be.an(
      'object',
    );
    expect(codeOf(() => describeClass('x-Boiler', 'pressure'))).to.equal('BH-E-CLASS');
    expect(codeOf(() => describeClass('x-boiler', '../pressure'))).to.equal('BH-E-CLASS');
  });

  it('payloadOf gives the JSON of a content, typed and checked', () => {
    expect(payloadOf(performanceSample, jsonData(sample)).load1).to.equal(0.5);
    expectCode(() => payloadOf(performanceSample, jsonData({})), 'BH-E-SCHEMA');
  });
});
