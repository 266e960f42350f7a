import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect } from 'chai';
import { decodeBody, LIMITS } from '../src/index.ts';
import { codeOfAsync } from './codes.ts';

const text = Buffer.from('an envelope '.repeat(1000));
const PACK = { gzip: gzipSync, zstd: zstdCompressSync };

describe('decodeBody', () => {
  it('gives what is not encoded as it is', async () => {
    for (const encoding of [undefined, '', 'identity', ' Identity '])
      expect(await decodeBody(encoding, text)).to.equal(text);
  });

  it('refuses other encodings, and nested ones [T-A34]', async () => {
    for (const encoding of ['br', 'deflate', 'gzip, gzip', 'zstd,gzip', '__proto__', 'x'.repeat(10_000)])
      expect(await codeOfAsync(() => decodeBody(encoding, text))).to.equal('BH-E-MIME-TYPE');
  });

  for (const [name, pack] of Object.entries(PACK)) {
    it(`${name}: unpacks`, async () => {
      expect((await decodeBody(name, pack(text))).equals(text)).to.equal(true);
      expect((await decodeBody(` ${name.toUpperCase()}`, pack(text))).equals(text)).to.equal(true);
    });

    it(`${name}: T-A34: a bomb of a thousand to one is refused at the limit`, async () => {
      const bomb = pack(Buffer.alloc(LIMITS.envelopeBytes + 1));
      expect(bomb.length).to.be.below(LIMITS.envelopeBytes / 900);
      const before = process.memoryUsage().arrayBuffers;
      expect(await codeOfAsync(() => decodeBody(name, bomb))).to.equal('BH-E-LIMIT-INFLATE');
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(4 * LIMITS.envelopeBytes);
    });

    it(`${name}: T-A34: exactly the limit passes, one byte more does not`, async () => {
      expect(await decodeBody(name, pack(text), text.length)).to.have.length(text.length);
      expect(await codeOfAsync(() => decodeBody(name, pack(text), text.length - 1))).to.equal('BH-E-LIMIT-INFLATE');
    });

    it(`${name}: cut at every byte, and damaged, it is refused with a code`, async () => {
      const packed = pack(text);
      for (let length = 0; length < packed.length; length++)
        expect(await codeOfAsync(() => decodeBody(name, packed.subarray(0, length))), `${length}`).to.equal(
          'BH-E-MIME-TRUNCATED',
        );
      expect(await codeOfAsync(() => decodeBody(name, text))).to.equal('BH-E-MIME-FORM');
    });
  }

  it('gzip: a wrong checksum is refused', async () => {
    const packed = gzipSync(text);
    packed[packed.length - 6]! ^= 1;
    expect(await codeOfAsync(() => decodeBody('gzip', packed))).to.equal('BH-E-MIME-FORM');
  });
});
