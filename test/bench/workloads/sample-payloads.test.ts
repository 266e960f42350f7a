import { zstdCompressSync } from 'node:zlib';
import { expect } from 'chai';
import { logText, noise } from './sample-payloads.ts';

describe('Payloads of the benchmark', () => {
  it('are of one size, the text the same for the same number', () => {
    for (let number = 0; number < 200; number += 1) expect(logText(number)).to.have.length(500);
    expect(noise()).to.have.length(500);
    expect(logText(7)).to.equal(logText(7)).and.not.to.equal(logText(8));
  });

  it('compress as a log does, and as noise does', () => {
    const part = (text: string) => zstdCompressSync(text).length / text.length;
    const many = Array.from({ length: 256 }, (_, number) => logText(number)).join('\n');
    expect(part(many)).to.be.within(0.2, 0.5);
    expect(part(noise())).to.be.within(0.7, 1.1);
  });
});
