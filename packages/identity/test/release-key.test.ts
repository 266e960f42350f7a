import { newComponentKey, newReleaseKey, releaseKeyName, signManifest, verifyManifest } from '@backhaul/identity';
import { expect } from 'chai';
import fc from 'fast-check';

describe('release key', () => {
  const key = newReleaseKey();
  const other = newReleaseKey();
  const bytes = Buffer.from('{"name":"demo","version":"1.0.0"}');

  it('has one name, from PEM and from itself', () => {
    expect(key.name).to.match(/^ed25519:[A-Za-z0-9+/]{43}=$/);
    expect(releaseKeyName(key.publicKeyPem)).to.equal(key.name);
    expect(releaseKeyName(key.name)).to.equal(key.name);
    expect(other.name).not.to.equal(key.name);
  });

  it('signs exactly these bytes', () => {
    const signature = signManifest(key.privateKeyPem, bytes);
    expect(verifyManifest(key.publicKeyPem, bytes, signature)).to.equal(true);
    expect(verifyManifest(key.name, bytes, signature)).to.equal(true);
    expect(verifyManifest(other.name, bytes, signature)).to.equal(false);
    expect(verifyManifest(key.name, Buffer.concat([bytes, Buffer.from(' ')]), signature)).to.equal(false);
    expect(verifyManifest(key.name, bytes, '')).to.equal(false);
    expect(verifyManifest(key.name, bytes, `${signature}AAAA`)).to.equal(false);
  });

  it('T-A26: no changed signature verifies', () => {
    const raw = Buffer.from(signManifest(key.privateKeyPem, bytes), 'base64');
    fc.assert(
      fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(raw);
        changed[at] = changed[at]! ^ flip;
        expect(verifyManifest(key.name, bytes, changed.toString('base64'))).to.equal(false);
      }),
    );
  });

  it('T-A26: the other form of a signature (s + L) is refused', () => {
    const raw = Buffer.from(signManifest(key.privateKeyPem, bytes), 'base64');
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = BigInt(`0x${Buffer.from(raw.subarray(32)).reverse().toString('hex')}`) + order;
    const changed = Buffer.concat([
      raw.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse(),
    ]);
    expect(verifyManifest(key.name, bytes, changed.toString('base64'))).to.equal(false);
  });

  it('refuses what is not an Ed25519 public key', async () => {
    const rsa = await newComponentKey();
    for (const text of ['', 'ed25519:', 'ed25519:AAAA', key.privateKeyPem, rsa.privateKeyPem, 'x'.repeat(44)]) {
      expect(() => releaseKeyName(text)).to.throw('BH-E-SIGNATURE');
      expect(() => verifyManifest(text, bytes, signManifest(key.privateKeyPem, bytes))).to.throw('BH-E-SIGNATURE');
    }
    expect(() => signManifest(rsa.privateKeyPem, bytes)).to.throw('BH-E-SIGNATURE');
  });
});
