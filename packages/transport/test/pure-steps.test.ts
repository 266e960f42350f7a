import { seededRandom } from '@backhaul/testkit';
import { fullJitter, LINK_BACKOFF } from '@backhaul/transport';
import { expect } from 'chai';
import { parseRange } from '../src/byte-range.ts';
import { LinkRate } from '../src/link-rate.ts';
import { ParentChoice } from '../src/parent-choice.ts';
import { settlementOf } from '../src/verdict-settlement.ts';
import { checkVersion, parseLink, parsePlace, parseWait } from '../src/wire-headers.ts';

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return 'passed';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('full jitter', () => {
  it('lies between nothing and the doubled base, and stays below the cap', () => {
    const random = seededRandom(1);
    for (let attempt = 1; attempt < 60; attempt++) {
      const ceiling = Math.min(LINK_BACKOFF.capMs, LINK_BACKOFF.baseMs * 2 ** attempt);
      expect(fullJitter(attempt, random)).to.be.within(0, ceiling);
    }
  });

  it('spreads children apart', () => {
    const random = seededRandom(2);
    expect(new Set(Array.from({ length: 100 }, () => fullJitter(8, random))).size).to.be.above(90);
  });
});

describe('the choice of a parent', () => {
  const fail = (choice: ParentChoice, now: number): number => choice.failed(choice.attempt(), now);

  it('goes to the next after two failures, and round', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    fail(choice, 0);
    expect(choice.current(0)).to.equal(0);
    fail(choice, 0);
    expect(choice.current(0)).to.equal(1);
    fail(choice, 0);
    fail(choice, 0);
    expect(choice.current(0)).to.equal(0);
  });

  it('counts what was under way together as one failure', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    const attempt = choice.attempt();
    for (let i = 0; i < 8; i++) choice.failed(attempt, 0);
    expect(choice.failures).to.equal(1);
    expect(choice.current(0)).to.equal(0);
  });

  it('stays with a parent that is only busy, and waits as long as it asks', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    for (let i = 0; i < 5; i++) choice.failed(choice.attempt(), 0, { stay: true, waitMs: 60_000 });
    expect(choice.current(0)).to.equal(0);
    expect(choice.pauseMs(0)).to.equal(60_000);
  });

  it('returns to the first after a while, and back at the first failure', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    fail(choice, 0);
    fail(choice, 0);
    expect(choice.current(0)).to.equal(1);
    choice.answered(1, 0);
    expect(choice.current(29_999)).to.equal(1);
    expect(choice.current(90_000)).to.equal(0);
    fail(choice, 90_000);
    expect(choice.current(90_000)).to.equal(1);
    expect(choice.current(180_000)).to.equal(0);
    choice.answered(0, 180_000);
    fail(choice, 180_001);
    expect(choice.current(180_001)).to.equal(0);
  });
});

describe('the rate of a link', () => {
  it('keeps about one second of a thin link under way', () => {
    const rate = new LinkRate(4 << 20);
    for (let now = 0; now < 20_000; ) {
      const bytes = rate.budget();
      const from = rate.sent(bytes, now);
      now += bytes / 32; // 32 bytes a millisecond
      rate.answered(bytes, from, now);
    }
    expect(rate.budget()).to.be.within(20_000, 40_000);
    rate.sent(rate.budget(), 20_000);
    expect(rate.budget()).to.equal(0);
  });

  it('opens up on a fast link', () => {
    const rate = new LinkRate(4 << 20);
    for (let now = 0; now < 100; now += 5) rate.answered(100_000, rate.sent(100_000, now), now + 5);
    expect(rate.budget()).to.equal(4 << 20);
  });

  it('gives back what was lost', () => {
    const rate = new LinkRate(4 << 20);
    rate.sent(1 << 20, 0);
    expect(rate.budget()).to.equal(0);
    rate.lost(1 << 20);
    expect(rate.budget()).to.be.above(0);
  });
});

describe('headers of the wire', () => {
  it('read what they should and refuse the rest with a code', () => {
    expect(parseLink('0123456789abcdef:12')).to.deep.equal({ session: '0123456789abcdef', number: 12 });
    for (const bad of ['', 'x', '0123456789abcdef:0', '0123456789ABCDEF:1', '0123456789abcdef:1, 0123456789abcdef:2']) {
      expect(codeOf(() => parseLink(bad))).to.equal('BH-E-QUERY');
    }
    expect(parsePlace('Backhaul-Ack', '0:0')).to.deep.equal({ epoch: '0', through: 0 });
    expect(codeOf(() => parsePlace('Backhaul-Ack', 'a:-1'))).to.equal('BH-E-QUERY');
    expect([parseWait(undefined), parseWait('wait=5'), parseWait('x, wait=9999'), parseWait('wait=x')]).to.deep.equal([
      0, 5, 60, 0,
    ]);
  });

  it('speak the last two minor versions', () => {
    for (const fine of ['1.3', '1.2', '1.1']) expect(codeOf(() => checkVersion(fine, '1.3'))).to.equal('passed');
    for (const bad of ['1.0', '1.4', '2.3', '0.9', '', undefined]) {
      expect(codeOf(() => checkVersion(bad, '1.3'))).to.equal('BH-E-VERSION');
    }
  });

  it('know single ranges only', () => {
    expect(parseRange('bytes=0-', 10)).to.deep.equal({ first: 0, last: 9 });
    expect(parseRange('bytes=3-4', 10)).to.deep.equal({ first: 3, last: 4 });
    expect(parseRange('bytes=3-400', 10)).to.deep.equal({ first: 3, last: 9 });
    expect(parseRange('bytes=-4', 10)).to.deep.equal({ first: 6, last: 9 });
    for (const whole of [undefined, 'bytes=-', 'bytes=0-1,3-4', 'lines=1-2'])
      expect(parseRange(whole, 10)).to.equal(undefined);
    for (const outside of ['bytes=10-', 'bytes=5-4', 'bytes=-0']) {
      expect(codeOf(() => parseRange(outside, 10))).to.equal('BH-E-BULK-RANGE');
    }
  });
});

describe('a verdict', () => {
  it('becomes what the spool does with the message', () => {
    const settle = (verdict: Parameters<typeof settlementOf>[0]) => settlementOf(verdict, 1000, () => 70);
    expect(settle({ accepted: true })).to.deep.equal({ outcome: 'accepted' });
    expect(settle({ accepted: false, code: 'BH-E-SPOOF', retryable: false })).to.deep.equal({
      outcome: 'refused',
      code: 'BH-E-SPOOF',
    });
    expect(settle({ accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 500 })).to.deep.equal({
      outcome: 'retry',
      notBefore: 1500,
    });
    expect(settle({ accepted: false, code: 'BH-E-SEEN-BOUND', retryable: true })).to.deep.equal({
      outcome: 'retry',
      notBefore: 1070,
    });
  });
});
