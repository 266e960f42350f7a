import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ENROL_PATH,
  identityOf,
  newCertificateRequest,
  newComponentKey,
  parseEnrolmentToken,
  rootFingerprint,
} from '@backhaul/identity';
import { systemClock } from '@backhaul/runtime';
import { need } from '@backhaul/testkit';
import { enrol } from '@backhaul/transport';
import { expect } from 'chai';
import { CaFixture, CUSTOMER, MLM_ID, PROXY_ID, TRUST_DOMAIN } from './ca-fixture.ts';

describe('enrolment', () => {
  let ca: CaFixture;
  before(async () => {
    ca = await CaFixture.start({ rate: { perSecond: 10_000, burst: 10_000 } });
  });
  after(() => ca.stop());

  const issuedTo = (id: string) =>
    ca.audit().filter((record) => record['event'] === 'certificate-issued' && record['id'] === id).length;

  it('turns a token and a request into a certificate, and writes down what it gave', async () => {
    const token = await ca.token(PROXY_ID);
    const { status, text, headers } = await ca.enrol(token, PROXY_ID);
    expect(status).to.equal(200);
    expect(headers['content-type']).to.match(/^application\/pem-certificate-chain/);
    expect(new X509Certificate(text).subjectAltName).to.equal(
      `URI:spiffe://${TRUST_DOMAIN}/${CUSTOMER}/proxy/${PROXY_ID}`,
    );
    expect(ca.audit().at(-1)).to.include({
      event: 'certificate-issued',
      id: PROXY_ID,
      token: parseEnrolmentToken(token).id,
    });
  });

  it('T-A24: no secret of a token is on disk or in the audit log', async () => {
    const { secret } = parseEnrolmentToken(await ca.token(PROXY_ID));
    for (const name of readdirSync(ca.directory, { recursive: true, encoding: 'utf8' })) {
      const path = join(ca.directory, name);
      if (statSync(path).isFile()) expect(readFileSync(path, 'utf8'), name).not.to.contain(secret);
    }
  });

  it('T-A32: 50 uses at once with 50 keys give exactly one certificate', async () => {
    const id = `${CUSTOMER}.p50`;
    const token = await ca.token(id);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ca.enrol(token, id)));
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
    for (const { status, code } of answers)
      if (status !== 200) expect([status, code]).to.deep.equal([403, 'BH-E-ENROL-TOKEN']);
    expect(issuedTo(id)).to.equal(1);
  }).timeout(60_000);

  it('T-A32: 50 uses at once with one key give that key its one certificate', async () => {
    const id = `${CUSTOMER}.p51`;
    const token = await ca.token(id);
    const key = await newComponentKey();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ca.enrol(token, id, { key })));
    expect(new Set(answers.map(({ text }) => text)).size).to.equal(1);
    expect(answers[0]!.status).to.equal(200);
    expect(issuedTo(id)).to.equal(1);
  }).timeout(60_000);

  it('T-A32: a used token serves no other key, also after a restart; its own key gets the same answer again', async () => {
    const token = await ca.token(PROXY_ID);
    const key = await newComponentKey();
    const first = await ca.enrol(token, PROXY_ID, { key });
    await ca.halt();
    ca = await CaFixture.startIn(ca.directory, { rate: { perSecond: 10_000, burst: 10_000 } });
    expect((await ca.enrol(token, PROXY_ID)).code).to.equal('BH-E-ENROL-TOKEN');
    expect((await ca.enrol(token, PROXY_ID, { key })).text).to.equal(first.text);
  });

  it('T-A32: a claim whose certificate was never made (crash in between) is completed for its key only', async () => {
    const token = await ca.token(PROXY_ID);
    const key = await newComponentKey();
    await ca.enrol(token, PROXY_ID, { key });
    rmSync(join(ca.directory, 'tokens', `${parseEnrolmentToken(token).id}.pem`));
    expect((await ca.enrol(token, PROXY_ID)).code).to.equal('BH-E-ENROL-TOKEN');
    expect((await ca.enrol(token, PROXY_ID, { key })).status).to.equal(200);
  });

  it('T-A32: an expired, unknown or missing token is refused', async () => {
    const expired = await ca.token(PROXY_ID, [], 1_000);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect((await ca.enrol(expired, PROXY_ID)).code).to.equal('BH-E-ENROL-TOKEN');
    const token = await ca.token(PROXY_ID);
    for (const tokenId of [
      '0'.repeat(16),
      '../ca',
      '..%2fca',
      'x',
      '%00',
      parseEnrolmentToken(token).id.toUpperCase(),
    ]) {
      expect((await ca.enrol(token, PROXY_ID, { tokenId })).code, tokenId).to.equal('BH-E-ENROL-TOKEN');
    }
    expect((await ca.post('x', {})).code).to.equal('BH-E-ENROL-TOKEN');
  });

  it('T-A32: a proof for another key, by another secret or of no form is refused and uses nothing up', async () => {
    const token = await ca.token(PROXY_ID);
    const other = await ca.token(PROXY_ID);
    expect((await ca.enrol(other, PROXY_ID, { tokenId: parseEnrolmentToken(token).id })).code).to.equal(
      'BH-E-ENROL-PROOF',
    );
    for (const proof of ['', 'x', '0'.repeat(64)])
      expect((await ca.enrol(token, PROXY_ID, { proof })).code).to.equal('BH-E-ENROL-PROOF');
    const stolen = await newCertificateRequest(await newComponentKey(), identityOf(PROXY_ID, TRUST_DOMAIN));
    expect((await ca.enrol(token, PROXY_ID, { csr: stolen })).code).to.equal('BH-E-ENROL-PROOF');
    expect((await ca.enrol(token, PROXY_ID)).status).to.equal(200);
  });

  it('T-A32: a request for another component, customer or name is refused and uses nothing up', async () => {
    const token = await ca.token(MLM_ID, ['mlm.example', '10.0.0.1']);
    for (const id of [PROXY_ID, `${CUSTOMER}.m2`, 'c99999999.m1', 'provider.m1', 'provider.a1', 'provider.c1']) {
      expect((await ca.enrol(token, id)).code, id).to.equal('BH-E-ENROL-REQUEST');
    }
    for (const name of ['other.example', '10.0.0.2', 'mlm.example.evil', 'localhost']) {
      expect((await ca.enrol(token, MLM_ID, { names: ['mlm.example', name] })).code, name).to.equal(
        'BH-E-ENROL-REQUEST',
      );
    }
    const { status, text } = await ca.enrol(token, MLM_ID, { names: ['MLM.example'] });
    expect(status).to.equal(200);
    expect(new X509Certificate(text).subjectAltName).to.contain('DNS:mlm.example, IP Address:10.0.0.1');
  });

  const extensions: Record<string, string[]> = {
    'the CA bit': ['basicConstraints=critical,CA:TRUE'],
    'the right to sign certificates': ['keyUsage=critical,keyCertSign'],
    'two identities': [
      `subjectAltName=URI:spiffe://${TRUST_DOMAIN}/${CUSTOMER}/proxy/${PROXY_ID},URI:spiffe://${TRUST_DOMAIN}/provider/appserver/provider.a1`,
    ],
    'a mail name': [`subjectAltName=URI:spiffe://${TRUST_DOMAIN}/${CUSTOMER}/proxy/${PROXY_ID},email:a@b.example`],
    'names without the identity': ['subjectAltName=DNS:a.example'],
  };
  for (const [name, lines] of Object.entries(extensions)) {
    it(`T-A32: a request for ${name} is refused`, async function () {
      need(this, 'program', 'openssl');
      const folder = mkdtempSync(join(tmpdir(), 'backhaul-req-'));
      try {
        const key = await newComponentKey();
        writeFileSync(join(folder, 'key.pem'), key.privateKeyPem);
        writeFileSync(
          join(folder, 'cnf'),
          ['[req]', 'distinguished_name=dn', 'prompt=no', 'req_extensions=ext', '[dn]', 'CN=x', '[ext]', ...lines].join(
            '\n',
          ),
        );
        const made = spawnSync(
          'openssl',
          ['req', '-new', '-sha256', '-config', join(folder, 'cnf'), '-key', join(folder, 'key.pem')],
          { encoding: 'utf8' },
        );
        const answer = await ca.enrol(await ca.token(PROXY_ID), PROXY_ID, { key, csr: made.stdout });
        expect([answer.status, answer.code]).to.deep.equal([400, 'BH-E-ENROL-REQUEST']);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  it('refuses bodies that are too large, compressed or empty, with a code', async () => {
    const { id } = parseEnrolmentToken(await ca.token(PROXY_ID));
    const headers = { 'Backhaul-Token': id, 'Backhaul-Proof': 'x' };
    expect((await ca.post('x'.repeat(17 * 1024), headers)).code).to.equal('BH-E-LIMIT-REQUEST');
    expect((await ca.post(Buffer.from([1, 2, 3]), { ...headers, 'Content-Encoding': 'gzip' })).status).to.equal(400);
    expect((await ca.post('', headers)).code).to.equal('BH-E-ENROL-REQUEST');
    expect((await ca.post('x', headers)).code).to.equal('BH-E-ENROL-REQUEST');
  });

  it('tells one who asks too often to wait', async () => {
    const slow = await CaFixture.start({ rate: { perSecond: 1, burst: 3 } });
    try {
      const answers = await Promise.all(Array.from({ length: 6 }, () => slow.post('x', {})));
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused).to.have.length(3);
      expect(refused[0]!.code).to.equal('BH-E-RATE');
      expect(Number(refused[0]!.headers['retry-after'])).to.be.at.least(1);
    } finally {
      await slow.stop();
    }
  });

  describe('by the client', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'backhaul-enrol-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const options = (token: string, changes: object = {}) => ({
      enrolUrl: ca.listeners.enrol,
      rootsPem: ca.authority.roots,
      rootsSha256: rootFingerprint(ca.authority.roots),
      token,
      identity: identityOf(PROXY_ID, TRUST_DOMAIN),
      dataDirectory: folder,
      ...changes,
    });
    const code = (token: string, changes: object = {}) =>
      enrol(options(token, changes)).then(
        () => 'enrolled',
        (error) => error.code,
      );

    it('makes the key in place, readable by its owner only, and stores what it got', async () => {
      await enrol(options(await ca.token(PROXY_ID)));
      expect(readdirSync(join(folder, 'identity')).toSorted()).to.deep.equal([
        'certificate.pem',
        'key.pem',
        'roots.pem',
      ]);
      expect(statSync(join(folder, 'identity', 'key.pem')).mode & 0o777).to.equal(0o600);
      expect(
        readFileSync(join(folder, 'identity', 'certificate.pem'), 'utf8').match(/BEGIN CERTIFICATE/g),
      ).to.have.length(2);
    });

    it('asks again with the same key when the answer was lost', async () => {
      const token = await ca.token(PROXY_ID);
      await enrol(options(token));
      const key = readFileSync(join(folder, 'identity', 'key.pem'), 'utf8');
      rmSync(join(folder, 'identity', 'certificate.pem'));
      await enrol(options(token));
      expect(readFileSync(join(folder, 'identity', 'key.pem'), 'utf8')).to.equal(key);
      expect(existsSync(join(folder, 'identity', 'certificate.pem'))).to.equal(true);
    });

    it('T-A32: does not talk to an authority other than the pinned one', async () => {
      const token = await ca.token(PROXY_ID);
      expect(await code(token, { rootsSha256: '0'.repeat(64) })).to.equal('BH-E-ENROL-ROOTS');
      const other = await CaFixture.start();
      try {
        expect(await code(token, { enrolUrl: other.listeners.enrol })).to.equal('BH-E-ENROL-ROOTS');
      } finally {
        await other.stop();
      }
      expect(readdirSync(join(folder, 'identity'))).to.deep.equal(['key.pem']);
      expect(await code(token)).to.equal('enrolled');
    });

    it('T-A14: does not take a component of the same roots for the authority', async () => {
      const { createServer } = await import('node:https');
      const { serverOnlyTlsOptions } = await import('@backhaul/identity');
      const server = createServer(serverOnlyTlsOptions(await ca.material(MLM_ID)), (_request, response) =>
        response.end('x'),
      );
      server.on('tlsClientError', () => {});
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      expect(await code(await ca.token(PROXY_ID), { enrolUrl: `https://127.0.0.1:${port}` })).to.equal(
        'BH-E-ENROL-ROOTS',
      );
      await new Promise((resolve) => server.close(resolve));
    });

    it('passes on why it was refused, and says when nobody answers', async () => {
      const token = await ca.token(`${CUSTOMER}.p2`);
      expect(await code(token)).to.equal('BH-E-ENROL-REQUEST');
      expect(await code('nonsense')).to.equal('BH-E-ENROL-TOKEN');
      expect(await code(token, { enrolUrl: 'https://127.0.0.1:1' })).to.equal('BH-E-UNREACHABLE');
    });
  });

  it('renews its own certificate at half its life', async () => {
    const years = { ...systemClock, now: () => Date.now() + 60 * 86_400_000 };
    const before = readFileSync(join(ca.directory, 'identity', 'certificate.pem'), 'utf8');
    await ca.halt();
    ca = await CaFixture.startIn(ca.directory, {});
    expect(readFileSync(join(ca.directory, 'identity', 'certificate.pem'), 'utf8')).to.equal(before);
    await ca.halt();
    ca = await CaFixture.startIn(ca.directory, {}, years);
    expect(readFileSync(join(ca.directory, 'identity', 'certificate.pem'), 'utf8')).not.to.equal(before);
  });

  it('forgets tokens a week after they ended', async () => {
    const later = { ...systemClock, now: () => Date.now() + 30 * 86_400_000 };
    await ca.token(PROXY_ID);
    await ca.halt();
    ca = await CaFixture.startIn(ca.directory, {}, later);
    expect(readdirSync(join(ca.directory, 'tokens'))).to.deep.equal([]);
    await ca.halt();
    ca = await CaFixture.startIn(ca.directory, { rate: { perSecond: 10_000, burst: 10_000 } });
  });

  it(`T-A31: nothing but POST ${ENROL_PATH} is there`, async () => {
    const paths = [
      '/',
      '/setup',
      '/setup/',
      '//setup',
      '/%73etup',
      '/setup/x',
      '/admin',
      '/registrar/tokens',
      '/.well-known/est/simplereenroll',
      '/.well-known/est/cacerts',
      `${ENROL_PATH}/`,
      `/${ENROL_PATH}`,
      ENROL_PATH.toUpperCase(),
      '/metrics',
      '/healthz',
    ];
    for (const path of paths)
      for (const method of ['GET', 'POST', 'PUT'])
        expect((await ca.ask(method, path)).status, `${method} ${path}`).to.equal(404);
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect((await ca.ask(method, ENROL_PATH)).code, method).to.equal('BH-E-METHOD');
    }
    expect((await ca.ask('GET', '/setup', { headers: { Host: 'localhost' } })).status).to.equal(404);
  });
});
