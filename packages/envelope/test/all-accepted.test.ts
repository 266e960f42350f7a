import { toBackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';
import { LIMITS } from '../src/limits.ts';
import { parseResponse, readAllAccepted, writeResponse } from '../src/reply/response-xml.ts';

const accepted = (count: number) => Array.from({ length: count }, () => ({ accepted: true }) as const);

function parsed(bytes: Buffer) {
  try {
    return parseResponse(bytes);
  } catch (error) {
    return toBackhaulError(error).code;
  }
}

describe('a response that accepts everything', () => {
  it('is read without the parser, as the parser reads it, for every count', () => {
    for (let count = 0; count <= LIMITS.messages; count += 1) {
      const bytes = writeResponse({ verdicts: accepted(count) });
      expect(readAllAccepted(bytes)).to.deep.equal(parseResponse(bytes));
    }
  });

  it('is left to the parser when anything differs that could matter (2,000 runs)', () => {
    const changed = fc
      .tuple(fc.integer({ min: 0, max: 300 }), fc.nat(130), fc.nat(4), fc.string({ maxLength: 3 }))
      .map(([count, at, cut, text]) => {
        const whole = writeResponse({ verdicts: accepted(count) }).toString();
        return Buffer.from(whole.slice(0, at) + text + whole.slice(at + cut));
      });
    fc.assert(
      fc.property(changed, (bytes) => {
        const read = readAllAccepted(bytes);
        if (read !== undefined) expect(read).to.deep.equal(parsed(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never says so when one was refused', () => {
    const refused = { accepted: false, code: 'BH-E-QUOTA', retryable: true } as const;
    expect(readAllAccepted(writeResponse({ verdicts: [...accepted(2), refused] }))).to.equal(undefined);
  });
});
