import { createHash, X509Certificate } from 'node:crypto';
import {
  artifactManifest,
  enrolmentProof,
  parseEnrolmentToken,
  proofMatches,
  rootFingerprint,
  sitePackage,
} from '@backhaul/identity';
import { expect } from 'chai';
import { makeCa, PROXY_ID } from './certificate-factory.ts';

const customer = PROXY_ID.split('.')[0]!;
const mlm = `${customer}.m1`;
const good = {
  format: 1,
  trustDomain: 'backhaul.example',
  customer,
  site: 'site-a',
  roots: 'PEM',
  rootsSha256: 'a'.repeat(64),
  enrolUrl: 'https://127.0.0.1:9443',
  components: [
    {
      id: mlm,
      kind: 'mlm',
      parent: { id: 'provider.a1', url: 'https://127.0.0.1:9444' },
      token: 'x.y',
      membership: {
        version: 1,
        components: [{ id: PROXY_ID, kind: 'proxy', parent: mlm, customer, site: 'site-a', state: 'active' }],
        groups: { 'site-a': [PROXY_ID] },
      },
    },
    { id: PROXY_ID, kind: 'proxy', parent: { id: mlm }, token: 'x.y' },
  ],
};

describe('site package', () => {
  it('takes a good one and refuses unknown or wrong fields', () => {
    expect(sitePackage.parse(good)).to.deep.equal(good);
    for (const wrong of [
      { format: 2 },
      { customer: 'acme' },
      { site: '../x' },
      { rootsSha256: 'x' },
      { enrolUrl: 'x' },
      { key: 'PEM' },
    ]) {
      expect(sitePackage.safeParse({ ...good, ...wrong }).success, JSON.stringify(wrong)).to.equal(false);
    }
  });
});

describe('artifact manifest', () => {
  const manifest = { name: 'demo-agent', version: '1.2.3', format: 'archive', sha256: 'b'.repeat(64), size: 10 };

  it('T-A11: takes a good one and refuses names, versions and hashes that are none', () => {
    expect(artifactManifest.parse(manifest)).to.deep.equal(manifest);
    for (const wrong of [
      { name: '..' },
      { name: 'a/b' },
      { name: 'A' },
      { name: 'a\u0000' },
      { name: 'x'.repeat(65) },
      { version: '1' },
      { version: '1.2.3 ' },
      { sha256: 'B'.repeat(64) },
      { size: 0 },
      { size: 1.5 },
      { format: 'exe' },
      { url: 'https://x' },
    ]) {
      expect(artifactManifest.safeParse({ ...manifest, ...wrong }).success, JSON.stringify(wrong)).to.equal(false);
    }
  });
});

describe('enrolment token', () => {
  const secret = 's'.repeat(52);

  it('is read, or refused', () => {
    expect(parseEnrolmentToken(` ${'0'.repeat(16)}.${secret}\n`)).to.deep.equal({ id: '0'.repeat(16), secret });
    for (const text of ['', '.', 'a.b', `${'0'.repeat(16)}.`, `../../x.${secret}`, `${'0'.repeat(16)}.${secret}.x`]) {
      expect(() => parseEnrolmentToken(text), text).to.throw('BH-E-ENROL-TOKEN');
    }
  });

  it('T-A32: its proof is for one key', () => {
    const proof = enrolmentProof(secret, Buffer.from('key'));
    expect(proofMatches(secret, Buffer.from('key'), proof)).to.equal(true);
    expect(proofMatches(secret, Buffer.from('other'), proof)).to.equal(false);
    expect(proofMatches('t'.repeat(52), Buffer.from('key'), proof)).to.equal(false);
    expect(proofMatches(secret, Buffer.from('key'), '')).to.equal(false);
  });

  it('pins the root by the SHA-256 of its DER', () => {
    const root = makeCa('root').cert;
    expect(rootFingerprint(root)).to.equal(createHash('sha256').update(new X509Certificate(root).raw).digest('hex'));
    expect(() => rootFingerprint('x')).to.throw('BH-E-ENROL-ROOTS');
  });
});
