import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CA_FILES, initCa, issueToken, openCa } from '@backhaul/certs';
import { newComponentKey } from '@backhaul/identity';
import { need } from '@backhaul/testkit';
import { expect } from 'chai';
import { CaFixture, MLM_ID, PROXY_ID, TRUST_DOMAIN } from './ca-fixture.ts';

const openssl = (...args: string[]) => spawnSync('openssl', args, { encoding: 'utf8' });

describe('certificate authority', () => {
  let ca: CaFixture;
  let folder: string;
  before(async () => {
    ca = await CaFixture.start();
    folder = mkdtempSync(join(tmpdir(), 'backhaul-x509-'));
  });
  after(async () => {
    await ca.stop();
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it('keeps its keys to itself', () => {
    for (const name of [CA_FILES.rootKey, CA_FILES.issuingKey, CA_FILES.tokenKey, 'identity/key.pem']) {
      expect(statSync(join(ca.directory, name)).mode & 0o777, name).to.equal(0o600);
    }
  });

  it('is never made over one that is there', async () => {
    const before = readFileSync(join(ca.directory, CA_FILES.roots), 'utf8');
    expect((await initCa(ca.directory, { trustDomain: TRUST_DOMAIN }).catch((error) => error)).code).to.equal(
      'BH-E-CONFLICT',
    );
    expect(readFileSync(join(ca.directory, CA_FILES.roots), 'utf8')).to.equal(before);
    expect((await initCa(join(folder, 'x'), { trustDomain: 'Not A Domain' }).catch((error) => error)).code).to.equal(
      'BH-E-NAME',
    );
    expect((await openCa(folder).catch((error) => error)).code).to.equal('BH-E-CONFIG');
  });

  it('OpenSSL accepts what it issues, strictly, for the purposes of its kind and no others', async function () {
    need(this, 'program', 'openssl');
    const roots = file('roots.pem', ca.authority.roots);
    const purposes: Record<string, [string, boolean, boolean]> = {
      proxy: [PROXY_ID, true, false],
      mlm: [MLM_ID, true, true],
      appserver: ['provider.a1', true, true],
      certs: ['provider.c2', true, true],
      staff: ['provider.u1', true, false],
    };
    for (const [kind, [id, client, server]] of Object.entries(purposes)) {
      const chain = file(`${kind}.pem`, (await ca.material(id)).cert);
      const verify = (purpose: string) =>
        openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', roots, '-untrusted', chain, chain).status ===
        0;
      expect([verify('sslclient'), verify('sslserver'), verify('crlsign')], kind).to.deep.equal([
        client,
        server,
        false,
      ]);
    }
    const issuing = file('issuing.pem', ca.authority.issuing);
    expect(openssl('verify', '-x509_strict', '-CAfile', roots, issuing).stdout).to.contain('OK');
    expect(
      openssl('verify', '-CAfile', issuing, file('p.pem', (await ca.material(PROXY_ID)).cert)).status,
    ).not.to.equal(0);
  });

  it('issues exactly the names granted, for the days configured, back-dated an hour', async function () {
    need(this, 'program', 'openssl');
    const token = await ca.token(MLM_ID, ['mlm.site.example', '10.0.0.1', '2001:DB8::1']);
    const { text } = await ca.enrol(token, MLM_ID);
    const shown = openssl('x509', '-in', file('mlm.pem', text), '-noout', '-text', '-nameopt', 'RFC2253').stdout;
    expect(shown).to.contain(
      `URI:spiffe://${TRUST_DOMAIN}/c0a1b2c3d/mlm/${MLM_ID}, DNS:mlm.site.example, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1`,
    );
    expect(shown)
      .to.match(/Key Usage: critical\s+Digital Signature\n/)
      .and.match(/Basic Constraints: critical\s+CA:FALSE/);
    expect(shown).to.contain('TLS Web Client Authentication, TLS Web Server Authentication');
    const leaf = new X509Certificate(text);
    const now = Date.now();
    expect(Date.parse(leaf.validFrom)).to.be.closeTo(now - 3_600_000, 60_000);
    expect(Date.parse(leaf.validTo)).to.be.closeTo(now + 90 * 86_400_000, 60_000);
  });

  it('gives every certificate another serial number of 127 random bits', async () => {
    const chains = await Promise.all(Array.from({ length: 5 }, () => ca.material(PROXY_ID)));
    const serials = chains.map(({ cert }) => new X509Certificate(cert).serialNumber);
    expect(new Set(serials).size).to.equal(5);
    for (const serial of serials) expect(serial).to.match(/^[4-7][0-9A-F]{31}$/);
  });

  it('issues without the root key, which can stay offline', async () => {
    const path = join(ca.directory, CA_FILES.rootKey);
    const key = readFileSync(path);
    rmSync(path);
    try {
      expect((await ca.enrol(await ca.token(PROXY_ID), PROXY_ID)).status).to.equal(200);
    } finally {
      writeFileSync(path, key, { mode: 0o600 });
    }
  });

  it('goes on from a copy of its folder: same roots, tokens that were open still good', async () => {
    const token = await ca.token(PROXY_ID);
    const copy = join(folder, 'copy');
    cpSync(ca.directory, copy, { recursive: true });
    const restored = await CaFixture.startIn(copy);
    try {
      expect(restored.authority.roots).to.equal(ca.authority.roots);
      expect((await restored.enrol(token, PROXY_ID)).status).to.equal(200);
    } finally {
      await restored.halt();
    }
  });

  it('does not hold the event loop while it signs', async () => {
    const key = await newComponentKey();
    const token = await ca.token(PROXY_ID);
    await ca.enrol(token, PROXY_ID, { key });
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const tokens = await Promise.all(Array.from({ length: 10 }, () => ca.token(PROXY_ID)));
    for (const one of tokens) expect((await ca.enrol(one, PROXY_ID, { key })).status).to.equal(200);
    clearInterval(watch);
    expect(longest).to.be.below(150);
  });

  it('refuses tokens for what is not a component, or names that are none', async () => {
    const code = (id: string, names: string[] = []) =>
      issueToken(ca.directory, { id, names }).catch((error) => error.code);
    expect(await code('acme')).to.equal('BH-E-NAME');
    for (const name of ['*.example', 'a b', 'a\u0000b', '-a', 'a..b', '999.1.1.1', '', 'http://x', 'x'.repeat(300)]) {
      expect(await code(MLM_ID, [name]), name).to.equal('BH-E-USAGE');
    }
    expect(
      await code(
        MLM_ID,
        Array.from({ length: 17 }, (_, i) => `h${i}`),
      ),
    ).to.equal('BH-E-USAGE');
  });
});
