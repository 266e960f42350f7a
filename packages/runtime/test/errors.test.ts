import { inspect } from 'node:util';
import {
  BackhaulError,
  base32,
  ERRORS,
  isErrorCode,
  newId,
  Secret,
  systemClock,
  systemRandom,
  toBackhaulError,
} from '@backhaul/runtime';
import { expect } from 'chai';

describe('errors', () => {
  it('every code has the form, a status of a refusal and a sentence for people', () => {
    for (const [code, { status, sentence }] of Object.entries(ERRORS)) {
      expect(code).to.match(/^BH-E-[A-Z]+(-[A-Z]+)*$/);
      expect(status, code).to.be.within(400, 599);
      expect(sentence, code).to.match(/^[A-Z].*[.?]$/);
      expect(sentence, `${code} says what happened and what to do`).to.match(/[.:;?] ./);
    }
  });

  it('becomes problem details without a stack', () => {
    const error = new BackhaulError('BH-E-RATE', { detail: 'x', retryAfterMs: 10, cause: new Error('inner') });
    expect(error.toProblem()).to.deep.equal({
      type: 'urn:backhaul:error:BH-E-RATE',
      title: ERRORS['BH-E-RATE'].sentence,
      status: 429,
      code: 'BH-E-RATE',
      detail: 'x',
      retryAfterMs: 10,
    });
    expect(error.retryable).to.equal(true);
  });

  it('turns anything thrown into one', () => {
    expect(toBackhaulError('x').code).to.equal('BH-E-INTERNAL');
    const error = new BackhaulError('BH-E-PORT');
    expect(toBackhaulError(error)).to.equal(error);
    expect(isErrorCode('BH-E-PORT')).to.equal(true);
    expect(isErrorCode('toString')).to.equal(false);
  });
});

describe('secret', () => {
  it('T-A24: shows in no form', () => {
    const secret = new Secret('hush');
    for (const text of [String(secret), JSON.stringify({ secret }), inspect({ secret }), `${secret}`])
      expect(text).not.to.contain('hush');
    expect(secret.reveal()).to.equal('hush');
  });
});

describe('ids', () => {
  it('are sortable by the time they were made', () => {
    const at = (now: number) => newId({ ...systemClock, now: () => now }, systemRandom);
    expect(at(1)).to.match(/^[0-9a-hjkmnp-tv-z]{26}$/);
    expect([at(1000), at(999), at(2 ** 40)].toSorted().map((id) => id.slice(0, 10))).to.deep.equal(
      [at(999), at(1000), at(2 ** 40)].map((id) => id.slice(0, 10)),
    );
    expect(new Set(Array.from({ length: 1000 }, () => at(5))).size).to.equal(1000);
  });

  it('base 32 keeps every bit', () => {
    expect(base32(Buffer.from([0, 0, 0, 0, 0]))).to.equal('00000000');
    expect(base32(Buffer.from([255, 255, 255, 255, 255]))).to.equal('zzzzzzzz');
    expect(base32(Buffer.from([0b00001_000, 0b10_00011_0, 0b0100_0010, 0b1_00110_00, 0b111_01000]))).to.equal(
      '12345678',
    );
    expect(base32(Buffer.from([255]))).to.equal('zw');
  });
});
