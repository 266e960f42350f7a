import {
  CUSTOMER_PATTERN,
  componentId,
  identityOf,
  isAtOrBelow,
  KINDS,
  newCustomerId,
  parseComponentId,
  parseUriSan,
  uriSan,
} from '@backhaul/identity';
import { systemRandom } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';

const customers = fc.constantFrom('provider', 'c00000000', 'czzzzzzzz', 'c0a1b2c3d');

describe('remote-services IDs', () => {
  it('makes customer IDs of c and eight characters, never the same twice', () => {
    const made = Array.from({ length: 200 }, () => newCustomerId(systemRandom));
    for (const id of made)
      expect(id)
        .to.match(/^c[0-9a-hjkmnp-tv-z]{8}$/)
        .and.match(CUSTOMER_PATTERN);
    expect(new Set(made).size).to.equal(200);
  });

  it('writes and reads component IDs and identities of every kind', () => {
    const numbers = fc.integer({ min: 1, max: 999_999_999 });
    fc.assert(
      fc.property(customers, fc.constantFrom(...KINDS), numbers, (customer, kind, n) => {
        const id = componentId(customer, kind, n);
        expect(parseComponentId(id)).to.deep.equal({ customer, kind, n });
        const identity = identityOf(id, 'backhaul.example');
        expect(parseUriSan(uriSan(identity), 'backhaul.example')).to.deep.equal(identity);
      }),
    );
  });

  it('refuses what is not a component ID', () => {
    for (const id of [
      '',
      'c0a1b2c3d',
      'c0a1b2c3d.p0',
      'c0a1b2c3d.p01',
      'c0a1b2c3d.x1',
      'c0a1b2c3i.p1',
      'C0A1B2C3D.p1',
      'c0a1b2c3d.p1.s1',
      'provider.p1 ',
      'c0a1b2c3d.p1234567890',
    ]) {
      expect(parseComponentId(id), id).to.equal(undefined);
      expect(() => identityOf(id, 'd')).to.throw('BH-E-NAME');
    }
    expect(() => componentId('acme', 'proxy', 1)).to.throw('BH-E-NAME');
    expect(() => componentId('provider', 'mlm', 0)).to.throw('BH-E-NAME');
  });

  it('sees below by whole segments', () => {
    expect(isAtOrBelow('c0a1b2c3d.p1', 'c0a1b2c3d.p1')).to.equal(true);
    expect(isAtOrBelow('c0a1b2c3d.p1.s7', 'c0a1b2c3d.p1')).to.equal(true);
    expect(isAtOrBelow('c0a1b2c3d.p10', 'c0a1b2c3d.p1')).to.equal(false);
    expect(isAtOrBelow('c0a1b2c3d', 'c0a1b2c3d.p1')).to.equal(false);
    expect(isAtOrBelow('c0a1b2c3d.p1', '')).to.equal(false);
  });

  it('never reads any other text as an identity', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}spiffe://d.example/c0a1b2c3d/proxy/c0a1b2c3d.p1${after}`;
        fc.pre(before !== '' || !/^\d{0,8}$/.test(after));
        expect(() => parseUriSan(text, 'd.example')).to.throw('BH-E-ID-NAME');
      }),
    );
  });
});
