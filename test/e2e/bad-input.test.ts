import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Alarm, contentTypeOf, LIMITS, type Message, type RawMessage } from '@backhaul/envelope';
import { newReleaseKey, signManifest } from '@backhaul/identity';
import { ERRORS, type ErrorCode } from '@backhaul/runtime';
import { need, type SmallDisk, smallDisk } from '@backhaul/testkit';
import { expect } from 'chai';
import { Sender } from '../../appserver/test/support/sender.ts';
import { RawPeer, replyOf } from '../../packages/transport/test/support/raw-request.ts';
import { Fleet, integratorCall, SITE } from '../fleet/fleet.ts';
import { type Role, RoleProcess } from '../fleet/role-process.ts';
import { tarOf } from './tar-of.ts';

const BACKHAUL = fileURLToPath(new URL('../../bin/backhaul.mjs', import.meta.url));
const BAD = new URL('../../packages/envelope/fixtures/bad/', import.meta.url);
/** Of the fixtures. */
const BOUNDARY = 'b7'.repeat(24);
const FIXTURE_ID = '00000000000000000000000001';
const STACK = /\n\s+at |node:internal|\.ts:\d/;

/**
 * Everything a network can be given that is wrong, through its real doors: the relay listeners with a component's own
 * certificate, the staff API, the integrator socket, the binary. Each is refused with its code and a sentence; what came
 * beside it is kept. Proxy 1 works, the certificate of proxy 2 is used by hand, proxy 3 gets a small disk.
 */
describe('Bad input', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  /** proxy 2 towards the MLM, and the MLM towards the application server */
  let proxyPeer: RawPeer;
  let mlmPeer: RawPeer;
  let sender: Sender;
  let instance: string;
  /** messages that were accepted on the way: they must all be there at the end */
  const accepted: string[] = [];

  before(async () => {
    fleet = await Fleet.create({ proxies: 3 });
    await Promise.all([fleet.proxies[1]!.stop(), fleet.proxies[2]!.stop()]);
    proxyPeer = peerOf(fleet.proxies[1]!, fleet.mlm.runtime!.listeners.relay!);
    mlmPeer = peerOf(fleet.mlm, fleet.appserver.runtime!.listeners.relay!);
    sender = new Sender(fleet.proxyId(1), 'e2'.repeat(8));
    instance = await registerInstance(fleet.proxies[0]!);
  });
  after(async () => {
    proxyPeer?.close();
    mlmPeer?.close();
    await fleet?.stop();
  });

  it('malformed MIME: the request is refused with its code, what to do, and no word of the inside', async () => {
    for (const { name, code, bytes } of fixtures('envelope')) {
      const headers = { 'backhaul-version': '1.0', 'content-type': contentTypeOf(BOUNDARY) };
      const answer = await proxyPeer.request('/v1/envelopes', { method: 'POST', headers, body: bytes });
      expectProblem(answer.status, answer.body.toString(), code, name);
    }
  });

  it('malformed XML, a DOCTYPE, unknown elements in a header: that message alone is refused', async () => {
    const codes = new Set<string>();
    for (const { name, code, bytes } of fixtures('header')) {
      const bad = { id: FIXTURE_ID, headerBytes: bytes, body: Buffer.from('<content/>') };
      if (bytes.length > LIMITS.headerBytes) continue; // the framing refuses it: fixtures of envelopes
      const answer = await proxyPeer.post([bad, goodOne()]);
      expect(answer.status, name).to.equal(200);
      const [refused, kept] = replyOf(answer).response.verdicts;
      expect(refused, name).to.include({ accepted: false, retryable: false, code });
      expect(kept, name).to.include({ accepted: true });
      codes.add(code);
    }
    expect([...codes]).to.include.members(['BH-E-XML-FORM', 'BH-E-XML-DTD', 'BH-E-XML-ELEMENT']);
  });

  it('the same in a body: nobody looks at it before the module that asked; there it is refused', async () => {
    const codes = new Set<string>();
    for (const { name, code, bytes } of fixtures('content')) {
      const bad = alarmWith(bytes);
      const [refused] = replyOf(await mlmPeer.post([rawOf(bad)])).response.verdicts;
      expect(refused, name).to.include({ accepted: false, retryable: false, code });
      codes.add(code);
    }
    expect([...codes]).to.include.members(['BH-E-XML-FORM', 'BH-E-XML-DTD', 'BH-E-XML-ELEMENT']);
  });

  it('an MLM that took such a body says what became of it', async () => {
    const [bad] = fixtures('content').filter(({ code }) => code === 'BH-E-XML-DTD');
    const doctype = alarmWith(bad!.bytes);
    const [verdict] = replyOf(await proxyPeer.post([rawOf(doctype)])).response.verdicts;
    expect(verdict).to.include({ accepted: true });
    await fleet.until('the ledger tells it', async () => {
      const { items } = await fleet.api<{ items: object[] }>('GET', `/ledger?source=${sender.id}`);
      return JSON.stringify(items).includes('dead-letter');
    });
  });

  it('oversize: an envelope, a body, what unpacks to more', async () => {
    const post = (headers: object, body: Buffer) =>
      proxyPeer.request('/v1/envelopes', {
        method: 'POST',
        headers: { 'backhaul-version': '1.0', 'content-type': contentTypeOf(BOUNDARY), ...headers },
        body,
      });
    const announced = await announce(LIMITS.envelopeBytes + 1);
    expectProblem(announced.status, announced.body.toString(), 'BH-E-LIMIT-ENVELOPE');
    const bomb = await post({ 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(LIMITS.envelopeBytes + 1)));
    expectProblem(bomb.status, bomb.body.toString(), 'BH-E-LIMIT-INFLATE');
    const part = (id: string, bytes: number) =>
      `--${BOUNDARY}\r\nContent-ID: <${id}>\r\nContent-Type: application/xml\r\n\r\n${'a'.repeat(bytes)}\r\n`;
    for (const [header, body, code] of [
      [100, LIMITS.bodyBytes + 1, 'BH-E-LIMIT-BODY'],
      [LIMITS.headerBytes + 1, 100, 'BH-E-LIMIT-HEADER'],
    ] as const) {
      const parts = part(`header.${FIXTURE_ID}`, header) + part(`body.${FIXTURE_ID}`, body);
      const large = await post({}, Buffer.from(`${parts}--${BOUNDARY}--\r\n`));
      expectProblem(large.status, large.body.toString(), code);
    }
  });

  it('a foreign source: that message is refused, its neighbour kept', async () => {
    const foreign = new Sender(fleet.proxyId(0), 'e3'.repeat(8)).data();
    const answer = await proxyPeer.post([rawOf(foreign), goodOne()]);
    const [refused, kept] = replyOf(answer).response.verdicts;
    expect(refused).to.include({ accepted: false, retryable: false, code: 'BH-E-SPOOF' });
    expect(kept).to.include({ accepted: true });
  });

  it('no certificate, and one of another kind of component', async () => {
    const stranger = new RawPeer(fleet.mlm.runtime!.listeners.relay!);
    const answer = await stranger.post([]).catch((error: Error) => error);
    stranger.close();
    if (!(answer instanceof Error)) expectProblem(answer.status, answer.body.toString(), 'BH-E-ID-MISSING');
    const proxyAbove = peerOf(fleet.proxies[1]!, fleet.appserver.runtime!.listeners.relay!);
    const refused = await proxyAbove.post([]);
    proxyAbove.close();
    expectProblem(refused.status, refused.body.toString(), refused.code as ErrorCode);
    expect(refused.code).to.match(/^BH-E-ID-/);
  });

  it('an unknown group: the command line says so and ends with 1', async () => {
    const env = {
      BACKHAUL_URL: fleet.appserver.runtime!.listeners.staff!,
      BACKHAUL_TOKEN: fleet.adminSecret,
      BACKHAUL_ROOTS: join(fleet.proxies[0]!.dataDirectory, 'identity', 'roots.pem'),
    };
    const { code, stderr } = await backhaul(['send', '--group', 'nobody', 'ping'], env);
    expect(code).to.equal(1);
    expect(stderr).to.contain('BH-E-TARGET').and.contain('list them with `backhaul components`');
    expect(stderr).to.not.match(STACK);
  });

  it('a member that does not call: the MLM says for it that the command expired, the others answer', async () => {
    const command = { destination: { group: SITE }, command: 'ping', expiresInMs: 1_500 };
    const { id } = await fleet.api<{ id: string }>('POST', '/commands', command);
    const { members } = await fleet.until('all have come to an end', async () => {
      const seen = await fleet.api<{ members: { state: string; text: string }[] }>('GET', `/commands/${id}`);
      return seen.members.every(({ state }) => state !== 'pending') && seen;
    });
    const silent = 'expired: not fetched in time';
    expect(members.map(({ state, text }) => (state === 'done' ? state : `${state}: ${text}`))).to.deep.equal([
      'done',
      silent,
      silent,
    ]);
  });

  it('an artifact whose signature or bytes do not match is not published', async () => {
    const { manifest, key, bytes } = artifact('1.0.0');
    const signature = signManifest(key.privateKeyPem, manifest);
    const good = { manifest, signature, publicKey: key.publicKeyPem, bytes };
    const other = signManifest(newReleaseKey().privateKeyPem, manifest);
    await expectApiCode(fleet.upload({ ...good, signature: other }), 'BH-E-SIGNATURE');
    await expectApiCode(fleet.upload({ ...good, bytes: Buffer.concat([bytes, Buffer.of(0)]) }), 'BH-E-BULK-HASH');
    const { items } = await fleet.api<{ items: unknown[] }>('GET', '/artifacts');
    expect(items).to.deep.equal([]);
  });

  it('an artifact that changed on a disk after it was published reaches nobody', async () => {
    const { manifest, key, bytes, sha256 } = artifact('1.0.1');
    const signature = signManifest(key.privateKeyPem, manifest);
    await fleet.upload({ manifest, signature, publicKey: key.publicKeyPem, bytes });
    writeFileSync(join(fleet.appserver.dataDirectory, 'artifacts', sha256), Buffer.alloc(bytes.length, 0x62));
    const { id } = await fleet.api<{ id: string }>('POST', '/pushes', { artifact: sha256, group: SITE });
    const { members } = await fleet.until('the MLM has said why, for all below it', async () => {
      const push = await fleet.api<{ members: { state: string; code: string }[] }>('GET', `/pushes/${id}`);
      return push.members.every(({ state }) => state !== 'pending') && push;
    });
    expect(members.map(({ state, code }) => `${state} ${code}`)).to.deep.equal(Array(3).fill('refused BH-E-BULK-HASH'));
    expect(readdirSync(join(fleet.proxies[0]!.dataDirectory, 'software'))).to.not.include('agent');
  });

  it('what an integrator sends wrongly is refused where it enters', async () => {
    const socket = fleet.proxies[0]!.runtime!.listeners.integrator!;
    const data = (fields: object) => ({ instance, class: 'x-bad', subclass: 'x', data: {}, ...fields });
    const cases: [string, object, ErrorCode][] = [
      ['an unknown field', data({ colour: 'red' }), 'BH-E-SCHEMA'],
      ['another class', data({ class: 'weather' }), 'BH-E-CLASS'],
      ['another shape', data({ class: 'performance', subclass: 'sample', data: { load1: 'high' } }), 'BH-E-SCHEMA'],
    ];
    for (const [what, message, code] of cases) {
      const good = data({ class: 'x-bad-input' });
      const { body } = await integratorCall(socket, 'POST', '/v1/data', { messages: [message, good] });
      const [refused, kept] = (body as { verdicts: Verdict[] }).verdicts;
      expect(refused, what).to.include({ accepted: false, code });
      expect(refused!.title, what).to.equal(ERRORS[code].sentence);
      accepted.push(kept!.id!);
    }
  });

  it('a wrong configuration key: no role starts, and the last line names the key and what was meant', async () => {
    const wrong: [Role, object, string][] = [
      ['certs', { enrol: { prot: 1 } }, 'enrol.prot is unknown; did you mean port?'],
      ['appserver', { satff: {} }, 'satff is unknown; did you mean staff?'],
      ['mlm', { relay: { hosst: '' } }, 'relay.hosst is unknown; did you mean host?'],
      ['proxy', { parent: [] }, 'parent is unknown; did you mean parents?'],
    ];
    for (const [role, settings, sentence] of wrong) {
      const failure = await failureOf(new RoleProcess(role, role, join(fleet.directory, `wrong-${role}`), settings));
      expect(failure, role).to.contain('BH-E-CONFIG').and.contain(sentence);
      expect(failure, role).to.not.match(STACK);
    }
  });

  it('a port in use: the role says which, and ends', async () => {
    const taken = new URL(fleet.mlm.runtime!.listeners.relay!);
    const directory = join(fleet.directory, 'second-mlm');
    cpSync(join(fleet.mlm.dataDirectory, 'identity'), join(directory, 'identity'), { recursive: true });
    const settings = JSON.parse(readFileSync(join(fleet.mlm.dataDirectory, 'mlm.yaml'), 'utf8')) as object;
    const failure = await failureOf(
      new RoleProcess('second-mlm', 'mlm', directory, { ...settings, dataDirectory: directory }),
    );
    expect(failure).to.contain('BH-E-PORT').and.contain(taken.port).and.contain('Choose another');
    expect(failure).to.not.match(STACK);
  });

  it('a parent that is not there: the proxy says so, keeps what it accepts, and sends it when the parent is back', async () => {
    await fleet.mlm.kill();
    const ids = await submit(fleet.proxies[0]!, instance, 20);
    await fleet.until('the proxy says why', async () => log(fleet.proxies[0]!).includes('BH-E-PARENT-UNREACHABLE'));
    const status = await integratorCall(fleet.proxies[0]!.runtime!.listeners.integrator!, 'GET', '/v1/status');
    expect(JSON.stringify(status.body)).to.contain('BH-E-PARENT-UNREACHABLE');
    await fleet.mlm.start();
    accepted.push(...ids);
    await everythingAccepted();
  });

  describe('a full disk', () => {
    let disk: SmallDisk;
    let proxy: RoleProcess;

    before(async function () {
      need(this, 'root', 'a small tmpfs');
      disk = await smallDisk(320);
      const old = fleet.proxies[2]!.dataDirectory;
      cpSync(join(old, 'identity'), join(disk.path, 'identity'), { recursive: true });
      const settings = JSON.parse(readFileSync(join(old, 'proxy.yaml'), 'utf8')) as object;
      proxy = new RoleProcess('proxy-3', 'proxy', disk.path, { ...settings, dataDirectory: disk.path });
      await proxy.start();
    });
    after(async () => {
      await proxy?.stop();
      await disk?.remove();
    });

    it('the proxy refuses with what to do, loses nothing accepted, and goes on by itself when there is room', async () => {
      const own = await registerInstance(proxy);
      accepted.push(...(await submit(proxy, own, 50)));
      await disk.fill(64 * 1024);
      const refusal = await fleet.until('a refusal', async () => {
        const { ids, text } = await trySubmit(proxy, own, 50);
        accepted.push(...ids);
        return ids.length < 50 && text;
      });
      expect(refusal).to.match(/BH-E-SPOOL-(STOPPED|FULL)/);
      expect(refusal).to.not.match(STACK);
      await disk.free();
      await fleet.until('it takes messages again', async () => {
        const { ids } = await trySubmit(proxy, own, 1);
        accepted.push(...ids);
        return ids.length === 1;
      });
      await everythingAccepted();
    });
  });

  it('nothing accepted is lost', () => everythingAccepted());

  /** A message of proxy 2 that is as it should be. */
  function goodOne(): RawMessage {
    const message = sender.data({ n: accepted.length }, { class: 'x-bad-input' });
    accepted.push(message.header.id);
    return rawOf(message);
  }

  function alarmWith(body: Buffer): Message {
    return sender.alarm({ alarmId: 'bad', instance: sender.id } as Partial<Alarm>, { body });
  }

  async function everythingAccepted(): Promise<void> {
    await fleet.until('everything accepted is stored once', async () => {
      const ids = (await fleet.stored({ class: 'x-bad-input' })).map((message) => message['id'] as string);
      expect(new Set(ids).size).to.equal(ids.length);
      return accepted.every((id) => ids.includes(id));
    });
  }

  /** Only announces a body, so that nothing has to be sent. */
  function announce(length: number): ReturnType<RawPeer['request']> {
    return proxyPeer.request('/v1/envelopes', {
      method: 'POST',
      headers: { 'backhaul-version': '1.0', 'content-type': contentTypeOf(BOUNDARY), 'content-length': length },
      body: Buffer.from('only its beginning'),
    });
  }
});

function peerOf(component: RoleProcess, url: string): RawPeer {
  const file = (name: string) => readFileSync(join(component.dataDirectory, 'identity', name), 'utf8');
  return new RawPeer(url, { key: file('key.pem'), cert: file('certificate.pem'), ca: file('roots.pem') });
}

function fixtures(kind: string): { name: string; code: ErrorCode; bytes: Buffer }[] {
  const folder = new URL(`${kind}/`, BAD);
  return readdirSync(folder).map((name) => ({
    name,
    code: name.split('.')[0] as ErrorCode,
    bytes: readFileSync(new URL(name, folder)),
  }));
}

const rawOf = ({ header, headerBytes, body }: Message): RawMessage => ({ id: header.id, headerBytes, body });

function expectProblem(status: number, text: string, code: ErrorCode, what = ''): void {
  const problem = JSON.parse(text) as Record<string, unknown>;
  expect(problem, what).to.include({ code, status, title: ERRORS[code].sentence });
  expect(status, what).to.equal(ERRORS[code].status);
  expect(text, what).to.not.match(STACK);
}

async function expectApiCode(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  const refused = await call.then(
    () => 'it was taken',
    (error: Error) => error.message,
  );
  expect(refused).to.contain(code).and.contain(ERRORS[code].sentence);
}

async function registerInstance(proxy: RoleProcess): Promise<string> {
  const socket = proxy.runtime!.listeners.integrator!;
  const about = { name: 'bad-input', platform: 'test', version: '1' };
  const register = async (path: string, given: object): Promise<string> => {
    const { status, body } = await integratorCall(socket, 'POST', path, given);
    expect(status, JSON.stringify(body)).to.be.below(300);
    return (body as { id: string }).id;
  };
  const integrator = await register('/v1/integrators', about);
  const machine = { platform: 'test', managementId: 'rack-7', name: 'rack 7', type: 'host' };
  return register('/v1/instances', { integrator, ...machine });
}

interface Verdict {
  accepted: boolean;
  id?: string;
  code?: string;
  title?: string;
}

async function trySubmit(
  proxy: RoleProcess,
  instance: string,
  count: number,
): Promise<{ ids: string[]; text: string }> {
  const data = { text: 'x'.repeat(2_000) };
  const messages = Array.from({ length: count }, () => ({ instance, class: 'x-bad-input', subclass: 'x', data }));
  const { body } = await integratorCall(proxy.runtime!.listeners.integrator!, 'POST', '/v1/data', { messages });
  const { verdicts = [] } = body as { verdicts?: Verdict[] };
  return { ids: verdicts.flatMap(({ accepted, id }) => (accepted ? [id!] : [])), text: JSON.stringify(body) };
}

async function submit(proxy: RoleProcess, instance: string, count: number): Promise<string[]> {
  const { ids, text } = await trySubmit(proxy, instance, count);
  expect(ids, text).to.have.length(count);
  return ids;
}

function artifact(version: string) {
  const bytes = gzipSync(tarOf({ VERSION: `${version}\n` }));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const manifest = Buffer.from(
    JSON.stringify({ name: 'agent', version, format: 'archive', sha256, size: bytes.length }),
  );
  return { bytes, sha256, manifest, key: newReleaseKey() };
}

const log = (role: RoleProcess): string => readFileSync(role.logFile, 'utf8');

/** The last lines of a role that is not to start. */
async function failureOf(role: RoleProcess): Promise<string> {
  mkdirSync(role.dataDirectory, { recursive: true });
  const failed = await role.start().then(
    () => role.kill().then(() => 'it started'),
    (error: Error) => error.message,
  );
  return failed.slice(failed.indexOf('\n') + 1);
}

function backhaul(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [BACKHAUL, ...argv],
      { env: { PATH: process.env['PATH'], ...env } },
      (error, _stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stderr });
      },
    );
  });
}
