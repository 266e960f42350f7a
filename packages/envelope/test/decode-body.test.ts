import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { decodeBody, LIMITS } from '../src/index.ts';
import { codeOfAsync } from './codes.ts';

const text = Buffer.from('an envelope '.repeat(1000));

describe('decodeBody', () => {
  it('gives what is not encoded as it is', async () => {
    for (const encoding of [undefined, '', 'identity', ' Identity '])
      expect(await decodeBody(encoding, text)).to.equal(text);
  });

  it('unpacks gzip', async () => {
    expect((await decodeBody('gzip', gzipSync(text))).equals(text)).to.equal(true);
    expect((await decodeBody(' GZIP', gzipSync(text))).equals(text)).to.equal(true);
  });

  it('T-A34: a bomb of a thousand to one is refused at the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(LIMITS.envelopeBytes + 1));
    expect(bomb.length).to.be.below(LIMITS.envelopeBytes / 900);
    const before = process.memoryUsage().arrayBuffers;
    expect(await codeOfAsync(() => decodeBody('gzip', bomb))).to.equal('BH-E-LIMIT-INFLATE');
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(4 * LIMITS.envelopeBytes);
  });

  it('T-A34: exactly the limit passes, one byte more does not', async () => {
    expect(await decodeBody('gzip', gzipSync(text), text.length)).to.have.length(text.length);
    expect(await codeOfAsync(() => decodeBody('gzip', gzipSync(text), text.length - 1))).to.equal('BH-E-LIMIT-INFLATE');
  });

  it('T-A34: nested packing is refused', async () => {
    expect(await codeOfAsync(() => decodeBody('gzip, gzip', gzipSync(gzipSync(text))))).to.equal('BH-E-MIME-TYPE');
  });

  it('other encodings, damage and truncation are refused with a code', async () => {
    for (const encoding of ['br', 'deflate', 'zstd', 'x'.repeat(10_000)])
      expect(await codeOfAsync(() => decodeBody(encoding, text))).to.equal('BH-E-MIME-TYPE');
    expect(await codeOfAsync(() => decodeBody('gzip', text))).to.equal('BH-E-MIME-FORM');
    const packed = gzipSync(text);
    for (let length = 0; length < packed.length; length++)
      expect(await codeOfAsync(() => decodeBody('gzip', packed.subarray(0, length))), `${length}`).to.equal(
        'BH-E-MIME-TRUNCATED',
      );
    packed[packed.length - 6]! ^= 1;
    expect(await codeOfAsync(() => decodeBody('gzip', packed))).to.equal('BH-E-MIME-FORM');
  });
});
