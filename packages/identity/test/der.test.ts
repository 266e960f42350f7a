import { X509Certificate } from 'node:crypto';
import { certificateExtensions, OID, readAltNames, readExtensions } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';
import { children, oidText, readDer } from '../src/der.ts';
import { dns, GOOD_URI, goodExtensions, ip, makeCertificate, uri } from './certificate-factory.ts';

const { raw } = new X509Certificate(
  makeCertificate({ extensions: goodExtensions(uri(GOOD_URI), dns('a.example'), ip('10.1.2.3'), ip('2001:db8::1')) })
    .cert,
);

/** Every input ends in a value or in one coded refusal. */
function coded(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    expect(error).to.be.instanceOf(BackhaulError);
    expect((error as BackhaulError).code).to.equal('BH-E-ID-NAME');
  }
}

describe('DER reading', () => {
  it('reads names as OpenSSL does', () => {
    const names = readAltNames(certificateExtensions(raw).get(OID.subjectAltName));
    expect(names).to.deep.equal({ uris: [GOOD_URI], dns: ['a.example'], ips: ['10.1.2.3', '2001:db8::1'], other: 0 });
    expect(new X509Certificate(raw).subjectAltName).to.equal(
      `URI:${GOOD_URI}, DNS:a.example, IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1`,
    );
  });

  it('T-A14: refuses a certificate cut at any byte, or with more after its end', () => {
    for (let length = 0; length < raw.length; length++) {
      expect(() => certificateExtensions(raw.subarray(0, length)), `cut at ${length}`).to.throw('BH-E-ID-NAME');
    }
    expect(() => certificateExtensions(Buffer.concat([raw, Buffer.of(0)]))).to.throw('bytes after the end');
  });

  it('T-A14: ends in a value or one coded refusal, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => coded(() => certificateExtensions(Buffer.from(bytes)))),
    );
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(raw);
        changed[at] = value;
        coded(() => readAltNames(certificateExtensions(changed).get(OID.subjectAltName)));
      }),
      { numRuns: 1000 },
    );
  });

  it('T-A14: refuses lengths that are indefinite, not minimal or too long', () => {
    for (const hex of ['3080', '308101', '30820001', '3084000000', '30820100', '1f0100', '30', '']) {
      expect(() => readDer(Buffer.from(hex, 'hex')), hex).to.throw('BH-E-ID-NAME');
    }
    expect(() => children(readDer(Buffer.from('020101', 'hex')))).to.throw('BH-E-ID-NAME');
  });

  it('T-A14: refuses an extension that comes twice', () => {
    const one = Buffer.from('300c0603551d11040530038201 61'.replaceAll(' ', ''), 'hex');
    const list = (...items: Buffer[]) => readDer(Buffer.concat([Buffer.of(0x30, items.length * one.length), ...items]));
    expect([...readExtensions(list(one)).keys()]).to.deep.equal([OID.subjectAltName]);
    expect(() => readExtensions(list(one, one))).to.throw('comes twice');
  });

  it('T-A14: refuses any name with a NUL, a line end or a space in it', () => {
    for (const text of ['a.example\u0000.evil', 'a\nb', 'a b', '', '\u00e1']) {
      const names = Buffer.concat([Buffer.of(0x82, text.length), Buffer.from(text, 'latin1')]);
      const value = Buffer.concat([Buffer.of(0x30, names.length), names]);
      expect(() => readAltNames(value), JSON.stringify(text)).to.throw('characters that names do not have');
    }
  });

  it('reads object identifiers', () => {
    expect(oidText(readDer(Buffer.from('06082b06010505070302', 'hex')))).to.equal(OID.clientAuth);
    expect(oidText(readDer(Buffer.from('0603550425', 'hex')))).to.equal('2.5.4.37');
    expect(() => oidText(readDer(Buffer.from('060155', 'hex')))).to.not.throw();
    expect(() => oidText(readDer(Buffer.from('0600', 'hex')))).to.throw('BH-E-ID-NAME');
    expect(() => oidText(readDer(Buffer.from('060180', 'hex')))).to.throw('BH-E-ID-NAME');
  });
});
