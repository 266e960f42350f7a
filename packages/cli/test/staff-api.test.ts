import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { leakCheck, TlsFixtures } from '@backhaul/testkit';
import { expect } from 'chai';
import { removeTemporaryFolders, runIn, temporaryFolder } from './test-context.ts';

const SECRET = 'a-secret-of-the-test';

/** Answers by `METHOD path`; without the secret with 401. Remembers what it was asked. */
class StaffApi {
  readonly asked: { line: string; body: unknown }[] = [];
  answers: Record<string, { status?: number; body: unknown }> = {};
  readonly #server: Server;

  constructor(tls: { key: string; cert: string }) {
    this.#server = createServer(tls, async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const line = `${request.method} ${request.url!.replace('/api/v1', '')}`;
      this.asked.push({ line, body: text.startsWith('{') ? JSON.parse(text) : text });
      const allowed = request.headers.authorization === `Bearer ${SECRET}`;
      const answer = allowed
        ? (this.answers[line] ?? this.answers[line.split('?')[0]!])
        : { status: 401, body: { code: 'BH-E-AUTH', title: '', status: 401 } };
      response.writeHead(answer?.status ?? (answer ? 200 : 404), { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer?.body ?? { code: 'BH-E-NOT-FOUND', detail: line }));
    });
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

describe('Client verbs', () => {
  let fixtures: TlsFixtures;
  let api: StaffApi;
  let folder = '';
  before(async () => {
    fixtures = new TlsFixtures();
    api = new StaffApi(fixtures.component('provider.a1'));
    await api.start();
  });
  beforeEach(() => {
    folder = temporaryFolder();
    api.asked.length = 0;
    api.answers = {
      'GET /status': { body: {} },
      'GET /version': { body: { version: '0.1.0' } },
      'GET /customers': { body: { items: [{ id: 'c00000001', name: 'One' }], nextCursor: null } },
    };
    writeFileSync(join(folder, 'roots.pem'), fixtures.roots);
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`);
  });
  after(async () => {
    await api.stop();
    fixtures.remove();
    removeTemporaryFolders();
  });
  leakCheck({ before, after });

  const run = (...argv: string[]) =>
    runIn(folder, argv, { env: { BACKHAUL_URL: api.url, BACKHAUL_TOKEN_FILE: 'secret', BACKHAUL_ROOTS: 'roots.pem' } });

  it('read a list page by page', async () => {
    api.answers['GET /customers'] = { body: { items: [{ id: 'c00000001', name: 'One' }], nextCursor: 'x' } };
    api.answers['GET /customers?cursor=x'] = { body: { items: [{ id: 'c00000002', name: 'Two' }], nextCursor: null } };
    const { exitCode, stdout } = await run('customers');
    expect(exitCode).to.equal(0);
    expect(stdout).to.equal('ID         NAME\nc00000001  One\nc00000002  Two\n');
    for (const argv of [
      ['customers', '--json'],
      ['customers', 'list', '--json'],
      ['--json', 'customers'],
    ]) {
      expect(JSON.parse((await run(...argv)).stdout).items).to.have.length(2);
    }
  });

  describe('dead letters', () => {
    const letter = {
      ...{ number: 7, id: 'x', source: 'c1.p1', class: 'x-food', subclass: 'stone', at: 1 },
      ...{ code: 'BH-E-MODULE', detail: 'a stone' },
    };
    const answerOf = (state: string, result: unknown, why = {}) => {
      const member = { component: 'c1.m1', state, result, ...why };
      api.answers['GET /commands/cmd'] = { body: { id: 'cmd', members: [member] } };
    };

    it('of the application server are listed, replayed and discarded with a reason', async () => {
      api.answers['GET /dead-letters?state=waiting&limit=50'] = { body: { items: [letter], nextCursor: null } };
      api.answers['GET /dead-letters?state=waiting&after=3&limit=1'] = { body: { items: [letter], nextCursor: 'x' } };
      api.answers['POST /dead-letters/7/replay'] = { body: { id: 'x', outcome: 'delivered' } };
      api.answers['POST /dead-letters/7/discard'] = { body: { id: 'x' } };
      expect((await run('dead-letters')).stdout).to.match(/7 +c1\.p1 +x-food\/stone .*BH-E-MODULE a stone/);
      const more = await run('dead-letters', 'list', '--after', '3', '--limit', '1');
      expect(more.stdout).to.include('more: --after 7');
      expect((await run('dead-letters', 'replay', '7')).stdout).to.include('delivered');
      expect((await run('dead-letters', 'discard', '7')).exitCode).to.not.equal(0);
      expect((await run('dead-letters', 'discard', '7', '--reason', 'old')).exitCode).to.equal(0);
      expect(api.asked.at(-1)).to.deep.equal({ line: 'POST /dead-letters/7/discard', body: { reason: 'old' } });
    });

    it('of a component are asked for by a command; exit code 1 when it does not do it', async () => {
      api.answers['POST /components/c1.m1/dead-letters'] = { status: 202, body: { id: 'cmd' } };
      api.answers['POST /components/c1.m1/dead-letters/7/replay'] = { status: 202, body: { id: 'cmd' } };
      answerOf('done', { items: [letter] });
      expect((await run('dead-letters', 'list', '--at', 'c1.m1')).stdout).to.include('x-food/stone');
      answerOf('refused', null, { code: 'BH-E-NOT-FOUND', text: 'there is no dead letter 7' });
      const { exitCode, stdout } = await run('dead-letters', 'replay', '7', '--at', 'c1.m1');
      expect(exitCode).to.equal(1);
      expect(stdout).to.equal('c1.m1 refused: BH-E-NOT-FOUND: there is no dead letter 7\n');
    });
  });

  it('ledger: exit code 1 for what is unexplained, not for what is in flight', async () => {
    const ranges = [{ first: 1, last: 2, fate: 'in-flight', below: 'c1.m1' }];
    const line = { source: 'c1.p1', epoch: 'e', lane: 6, delivered: 3, inFlight: 2, unexplained: 0, ranges };
    const first = 'GET /ledger?limit=500';
    api.answers[first] = { body: { items: [line], nextCursor: 'x', inFlight: 2, unexplained: 0 } };
    const second = { items: [{ ...line, source: 'c1.p2' }], nextCursor: null, inFlight: 2, unexplained: 0 };
    api.answers[`${first}&cursor=x`] = { body: second };
    const { exitCode, stdout } = await run('ledger', '--ranges');
    expect(exitCode).to.equal(0);
    expect(stdout)
      .to.include('in flight: 2')
      .and.match(/6 +e +1 +2 +in-flight +below c1\.m1/)
      .and.include('c1.p2');
    api.answers[first] = { body: { items: [line], nextCursor: null, inFlight: 0, unexplained: 2 } };
    expect((await run('ledger')).exitCode).to.equal(1);
  });

  it('hand on the code, the sentence and the detail of a refusal', async () => {
    api.answers['POST /customers'] = {
      status: 409,
      body: { code: 'BH-E-CONFLICT', title: 'no', status: 409, detail: 'One is there' },
    };
    const { exitCode, stderr } = await run('customers', 'add', 'One');
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-CONFLICT').and.include('One is there');
  });

  it('trust nobody but the roots given', async () => {
    const foreign = new TlsFixtures('other.example');
    writeFileSync(join(folder, 'roots.pem'), foreign.roots);
    foreign.remove();
    const { exitCode, stderr } = await run('customers');
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-UNREACHABLE').and.include('--roots');
    expect(api.asked).to.deep.equal([]);
  });

  it('say that nobody answers', async () => {
    const { exitCode, stderr } = await runIn(folder, [
      'status',
      '--url',
      'https://127.0.0.1:1',
      '--token-file',
      'secret',
    ]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-UNREACHABLE').and.include('ECONNREFUSED');
  });

  it('log in once: tried, then kept where only the user reads it', async () => {
    const args = ['login', '--url', api.url, '--token-file', '-', '--roots', 'roots.pem'];
    const refused = await runIn(folder, args, { stdin: 'wrong' });
    expect(refused.stderr).to.include('BH-E-AUTH');
    expect((await runIn(folder, ['customers'])).exitCode).to.equal(2);
    const done = await runIn(folder, args, { stdin: SECRET });
    expect(done.exitCode).to.equal(0);
    expect(done.stdout).to.not.include(SECRET);
    expect(statSync(join(folder, '.config', 'backhaul', 'cli.json')).mode & 0o777).to.equal(0o600);
    expect((await runIn(folder, ['customers'])).stdout).to.include('One');
  });

  it('find a demo folder by themselves, from below too, but not one that others could have written', async () => {
    const file = join(folder, '.backhaul', 'cli.json');
    mkdirSync(join(folder, '.backhaul'));
    mkdirSync(join(folder, 'sub'));
    writeFileSync(file, JSON.stringify({ url: api.url, token: SECRET, roots: fixtures.roots }), { mode: 0o600 });
    expect((await runIn(join(folder, 'sub'), ['customers'])).stdout).to.include('One');
    chmodSync(file, 0o644);
    expect((await runIn(folder, ['customers'])).exitCode).to.equal(2);
  });

  it('never send a kept secret to another address', async () => {
    mkdirSync(join(folder, '.backhaul'));
    writeFileSync(
      join(folder, '.backhaul', 'cli.json'),
      JSON.stringify({ url: 'https://other.example:1', token: SECRET }),
      { mode: 0o600 },
    );
    const { exitCode } = await runIn(folder, ['customers', '--url', api.url, '--roots', 'roots.pem']);
    expect(exitCode).to.equal(2);
    expect(api.asked).to.deep.equal([]);
  });

  it('send a command to a group and wait for every answer', async () => {
    const members = [
      { component: 'c1.p1', state: 'done', result: 'ok' },
      { component: 'c1.p2', state: 'failed', result: null },
    ];
    api.answers['POST /commands'] = { body: { id: 'one' } };
    api.answers['GET /commands/one'] = { body: { id: 'one', members } };
    const { exitCode, stdout } = await run('send', '--group', 'site-a', 'ping', '--wait', '--expires', '5m');
    expect(exitCode).to.equal(1);
    expect(stdout).to.include('c1.p2').and.include('failed');
    expect(api.asked[0]).to.deep.equal({
      line: 'POST /commands',
      body: { destination: { group: 'site-a' }, command: 'ping', expiresInMs: 300_000 },
    });
    members[1]!.state = 'done';
    expect((await run('send', '--group', 'site-a', 'ping', '--wait')).exitCode).to.equal(0);
  });

  it('show of a long answer what a person wants at a glance', async () => {
    const result = { version: '1.2.3', uplink: { connected: true }, noise: 'x'.repeat(500) };
    api.answers['POST /commands'] = { body: { id: 'one' } };
    api.answers['GET /commands/one'] = {
      body: { id: 'one', members: [{ component: 'c1.p1', state: 'done', result }] },
    };
    const { stdout } = await run('send', '--group', 'site-a', 'get-status', '--wait');
    expect(stdout).to.include('version 1.2.3, uplink …, noise xxx');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).to.be.below(160);
  });

  it('want either a group or a component', async () => {
    for (const more of [[], ['--group', 'a', '--component', 'b']]) {
      expect((await run('send', 'ping', ...more)).exitCode).to.equal(2);
      expect((await run('push', 'f00', ...more)).exitCode).to.equal(2);
    }
    expect(api.asked).to.deep.equal([]);
  });

  it('publish what the manifest says, signed', async () => {
    writeFileSync(join(folder, 'agent.tar.gz'), 'not really a package');
    expect((await run('artifacts', 'keygen', '--out', 'key.pem')).stdout).to.match(/ed25519:[A-Za-z0-9+/]{43}=/);
    expect(statSync(join(folder, 'key.pem')).mode & 0o777).to.equal(0o600);
    expect((await run('artifacts', 'keygen', '--out', 'key.pem')).stderr).to.include('BH-E-CONFLICT');
    api.answers['POST /artifacts'] = { body: { sha256: 'ab', name: 'agent', version: '1.4.0', size: 20 } };
    const publish = (version: string) =>
      run('artifacts', 'publish', 'agent.tar.gz', '--name', 'agent', '--version', version, '--key', 'key.pem');
    expect((await publish('latest')).exitCode).to.equal(2);
    expect((await publish('1.4.0')).exitCode).to.equal(0);
    const form = String(api.asked.at(-1)!.body);
    for (const part of [
      'name="manifest"',
      'name="signature"',
      'name="publicKey"',
      'name="file"',
      'not really a package',
      '"version":"1.4.0"',
    ])
      expect(form).to.include(part);
    expect(form).to.not.include('PRIVATE');
  });

  it('trace a message: time at each hop and on each line', async () => {
    const hops = [
      { id: 'c1.p1', in: 1000, out: 1010 },
      { id: 'c1.m1', in: 1030, out: 1035 },
      { id: 'provider.a1', in: 1036 },
    ];
    api.answers['GET /messages/m/trace'] = { body: { hops } };
    const { steps } = JSON.parse((await run('trace', 'm', '--json')).stdout);
    expect(steps.map((step: { atHopMs?: number; onLineMs?: number }) => [step.atHopMs, step.onLineMs])).to.deep.equal([
      [10, 20],
      [5, 1],
      [undefined, undefined],
    ]);
    expect((await run('trace', 'm')).stdout).to.include('in all 36 ms');
  });

  it('refuse an answer they do not understand', async () => {
    api.answers['GET /customers'] = { body: { items: [{ name: 'no id' }] } };
    const { exitCode, stderr } = await run('customers');
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-VERSION');
  });

  it('give 1 from doctor when the secret is not accepted', async () => {
    writeFileSync(join(folder, 'secret'), 'wrong');
    const { exitCode, stdout } = await run('doctor', '--json');
    expect(exitCode).to.equal(1);
    expect(JSON.parse(stdout)).to.have.property('problems', 1);
  });
});
