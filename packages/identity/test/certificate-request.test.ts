import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  componentKey,
  identityOf,
  newCertificateRequest,
  newComponentKey,
  readCertificateRequest,
} from '@backhaul/identity';
import { need } from '@backhaul/testkit';
import { expect } from 'chai';
import { GOOD_URI, PROXY_ID, TRUST_DOMAIN } from './certificate-factory.ts';

const identity = identityOf(PROXY_ID, TRUST_DOMAIN);

describe('certificate request', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'backhaul-csr-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A request made by the openssl command. */
  function opensslRequest(key: string[], lines: string[], digest = '-sha256'): string {
    const at = (name: string) => join(folder, name);
    execFileSync('openssl', ['genpkey', ...key, '-out', at('key.pem')], { stdio: 'pipe' });
    const config = [
      '[req]',
      'distinguished_name=dn',
      'prompt=no',
      'req_extensions=ext',
      '[dn]',
      'CN=x',
      '[ext]',
      ...lines,
    ];
    writeFileSync(at('req.cnf'), config.join('\n'));
    execFileSync(
      'openssl',
      ['req', '-new', digest, '-config', at('req.cnf'), '-key', at('key.pem'), '-out', at('req.pem')],
      { stdio: 'pipe' },
    );
    return readFileSync(at('req.pem'), 'utf8');
  }
  const RSA = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];

  it('is written and read, with its names and its key', async () => {
    const key = await newComponentKey();
    const request = await newCertificateRequest(key, identity, ['localhost', '10.0.0.1', '2001:db8::1']);
    const read = readCertificateRequest(request);
    expect(read.names).to.deep.equal({
      uris: [GOOD_URI],
      dns: ['localhost'],
      ips: ['10.0.0.1', '2001:db8::1'],
      other: 0,
    });
    expect(read.spki.equals(key.spki)).to.equal(true);
    expect(componentKey(key.privateKeyPem).spki.equals(key.spki)).to.equal(true);
    expect(createPublicKey(key.privateKeyPem).asymmetricKeyDetails?.modulusLength).to.equal(2048);
  });

  it('holds before OpenSSL', async function () {
    need(this, 'program', 'openssl');
    const file = join(folder, 'ours.pem');
    writeFileSync(file, await newCertificateRequest(await newComponentKey(), identity));
    expect(
      execFileSync('openssl', ['req', '-in', file, '-noout', '-verify', '-text'], { encoding: 'utf8', stdio: 'pipe' }),
    ).to.contain(`URI:${GOOD_URI}`);
  });

  it('takes one made by openssl', function () {
    need(this, 'program', 'openssl');
    const read = readCertificateRequest(opensslRequest(RSA, [`subjectAltName=URI:${GOOD_URI},DNS:a.example`]));
    expect(read.names.uris).to.deep.equal([GOOD_URI]);
  });

  const refused: [string, string[], string[], string?][] = [
    ['CA bit', RSA, ['basicConstraints=critical,CA:TRUE', `subjectAltName=URI:${GOOD_URI}`]],
    ['basic constraints at all', RSA, ['basicConstraints=CA:FALSE']],
    ['own key usages', RSA, ['keyUsage=keyCertSign']],
    ['own extended key usages', RSA, ['extendedKeyUsage=serverAuth']],
    ['an EC key', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], [`subjectAltName=URI:${GOOD_URI}`]],
    [
      'an RSA key of 1024 bits',
      ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
      [`subjectAltName=URI:${GOOD_URI}`],
    ],
    ['exponent 3', [...RSA, '-pkeyopt', 'rsa_keygen_pubexp:3'], [`subjectAltName=URI:${GOOD_URI}`]],
    ['SHA-1', RSA, [`subjectAltName=URI:${GOOD_URI}`], '-sha1'],
    ['SHA-512', RSA, [`subjectAltName=URI:${GOOD_URI}`], '-sha512'],
  ];
  for (const [name, key, lines, digest] of refused) {
    it(`T-A32: is refused with ${name}`, function () {
      need(this, 'program', 'openssl');
      expect(() => readCertificateRequest(opensslRequest(key, lines, digest))).to.throw('BH-E-ENROL-REQUEST');
    });
  }

  it('T-A32: is refused when changed, cut, doubled or not one at all', async () => {
    const good = await newCertificateRequest(await newComponentKey(), identity);
    const der = Buffer.from(good.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    const asPem = (bytes: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    expect(readCertificateRequest(asPem(der)).names.uris).to.deep.equal([GOOD_URI]);
    for (let at = 0; at < der.length; at += 7) {
      const changed = Buffer.from(der);
      changed[at] = changed[at]! ^ 1;
      expect(() => readCertificateRequest(asPem(changed)), `byte ${at} changed`).to.throw('BH-E-ENROL-REQUEST');
      expect(() => readCertificateRequest(asPem(der.subarray(0, at))), `cut at ${at}`).to.throw('BH-E-ENROL-REQUEST');
    }
    for (const text of [
      '',
      'x',
      good + good,
      `x${good}`,
      good.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
      ' '.repeat(20_000) + good,
    ]) {
      expect(() => readCertificateRequest(text)).to.throw('BH-E-ENROL-REQUEST');
    }
  });
});
