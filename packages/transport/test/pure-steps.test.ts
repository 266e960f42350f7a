import { seededRandom } from '@backhaul/testkit';
import { fullJitter, LINK_BACKOFF } from '@backhaul/transport';
import { expect } from 'chai';
import { LONGEST_TOLD_WAIT_MS } from '../src/backoff.ts';
import { parseRange } from '../src/byte-range.ts';
import { LinkRate } from '../src/link-rate.ts';
import { readRefusal } from '../src/parent-answer.ts';
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
    expect(choice.current).to.equal(0);
    fail(choice, 0);
    expect(choice.current).to.equal(1);
    fail(choice, 0);
    fail(choice, 0);
    expect(choice.current).to.equal(0);
  });

  it('leaves one that is silent at once, and loses next to no time', () => {
    const choice = new ParentChoice(3, seededRandom(3));
    expect(choice.failed(choice.attempt(), 0, { leave: true })).to.be.at.most(250);
    expect(choice.current).to.equal(1);
  });

  it('backs off when it has been round and nobody was there', () => {
    const choice = new ParentChoice(2, seededRandom(5));
    const pauses = Array.from({ length: 40 }, () => fail(choice, 0));
    expect(Math.max(...pauses.slice(0, 4))).to.be.below(5000);
    expect(Math.max(...pauses)).to.be.above(15_000);
  });

  it('counts what was under way together as one failure', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    const attempt = choice.attempt();
    for (let i = 0; i < 8; i++) choice.failed(attempt, 0);
    expect(choice.failures).to.equal(1);
    expect(choice.current).to.equal(0);
  });

  it('stays with a parent that is only busy, and waits as long as it asks', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    for (let i = 0; i < 5; i++) choice.failed(choice.attempt(), 0, { stay: true, waitMs: 60_000 });
    expect(choice.current).to.equal(0);
    expect(choice.pauseMs(0)).to.equal(60_000);
  });

  it('heeds no wait without a bound', () => {
    const choice = new ParentChoice(1, seededRandom(3));
    choice.failed(choice.attempt(), 0, { stay: true, waitMs: 1e13 });
    expect(choice.pauseMs(0)).to.equal(LONGEST_TOLD_WAIT_MS);
  });

  it('asks the preferred one after a while, jittered, and goes on with the other until it answers', () => {
    const returns = Array.from({ length: 50 }, (_, i) => {
      const choice = new ParentChoice(2, seededRandom(i));
      choice.failed(choice.attempt(), 0, { leave: true });
      expect(choice.current).to.equal(1);
      return choice.returnInMs(0)!;
    });
    expect(Math.min(...returns)).to.be.within(15_000, 25_000);
    expect(Math.max(...returns)).to.be.within(35_000, 45_000);
    const choice = new ParentChoice(2, seededRandom(3));
    expect(choice.returnInMs(0)).to.equal(undefined);
    choice.failed(choice.attempt(), 0, { leave: true });
    choice.stayed(50_000);
    expect(choice.current).to.equal(1);
    expect(choice.returnInMs(50_000)).to.be.within(15_000, 45_000);
    choice.returned(0, 80_000);
    expect([choice.current, choice.returnInMs(80_000), choice.pauseMs(80_000)]).to.deep.equal([0, undefined, 0]);
  });

  it('does not flap: one that fails soon after each return is asked less and less often', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    const waits: number[] = [];
    for (let i = 0, now = 1; i < 12; i++) {
      choice.failed(choice.attempt(), now, { leave: true });
      waits.push(choice.returnInMs(now)!);
      now += choice.returnInMs(now)!;
      choice.returned(0, now);
      choice.answered(0, now);
      now += 1000;
    }
    expect(waits[0]).to.be.below(45_000);
    expect(waits.at(-1)).to.be.within(300_000, 900_000);
  });

  it('what comes late of a parent that was left is no failure of the one used now', () => {
    const choice = new ParentChoice(2, seededRandom(3));
    const old = choice.attempt();
    choice.failed(old, 0, { leave: true });
    choice.returned(0, 10);
    choice.failed(old, 20, { leave: true });
    expect([choice.current, choice.failures]).to.deep.equal([0, 0]);
  });
});

describe('the rate of a link', () => {
  it('keeps about one second of a thin link under way', () => {
    const rate = new LinkRate(4 << 20);
    for (let now = 0; now < 20_000; ) {
      const bytes = rate.budget('other');
      const from = rate.sent('other', bytes, now);
      now += bytes / 32; // 32 bytes a millisecond
      rate.answered('other', bytes, from, now);
    }
    expect(rate.budget('other')).to.be.within(20_000, 40_000);
    rate.sent('other', rate.budget('other'), 20_000);
    expect(rate.budget('other')).to.equal(0);
  });

  it('has room for what is urgent whatever else is under way, and for one envelope of the others on the thinnest line', () => {
    const rate = new LinkRate(4 << 20);
    rate.silent();
    const bulk = rate.sent('other', 10_000, 0);
    expect([rate.budget('other'), rate.budget('urgent')]).to.deep.equal([0, 16 * 1024]);
    const alarm = rate.sent('urgent', 10_000, 0);
    expect([rate.budget('other'), rate.budget('urgent')]).to.deep.equal([0, 0]);
    rate.lost('other', 10_000, bulk);
    rate.lost('urgent', 10_000, alarm);
    rate.sent('urgent', 4_000, 0);
    expect([rate.budget('other'), rate.budget('urgent')]).to.deep.equal([12_384, 12_384]);
  });

  it('does not take a line for fast because much was answered soon after something small was sent', () => {
    const rate = new LinkRate(4 << 20);
    let bulk = rate.sent('other', 16_000, 0);
    for (let now = 1_000; now < 5_000; now += 1_000) {
      const alarm = rate.sent('urgent', 1_000, now - 50);
      rate.answered('other', 16_000, bulk, now);
      bulk = rate.sent('other', 15_000, now);
      rate.answered('urgent', 1_000, alarm, now + 50);
    }
    expect(rate.isThin).to.equal(true);
    expect(rate.budget('urgent')).to.be.within(16_000, 17_000);
  });

  it('opens up on a fast link', () => {
    const rate = new LinkRate(4 << 20);
    for (let now = 0; now < 100; now += 5) rate.answered('other', 100_000, rate.sent('other', 100_000, now), now + 5);
    expect(rate.budget('other')).to.equal(4 << 20);
  });

  it('expects an answer by what is under way, and begins with little again after a silence', () => {
    const rate = new LinkRate(4 << 20);
    expect(rate.expectedMs()).to.equal(0);
    rate.answered('other', 100_000, rate.sent('other', 100_000, 0), 1000);
    const under = rate.sent('other', 50_000, 1000);
    expect(rate.expectedMs()).to.be.within(450, 550);
    rate.lost('other', 50_000, under);
    rate.silent();
    expect(rate.budget('other')).to.equal(16 * 1024);
    rate.sent('other', 16 * 1024, 0);
    expect(rate.expectedMs()).to.be.within(900, 1100);
  });

  it('gives back what was lost', () => {
    const rate = new LinkRate(4 << 20);
    const sending = rate.sent('other', 1 << 20, 0);
    expect(rate.budget('other')).to.equal(0);
    rate.lost('other', 1 << 20, sending);
    expect(rate.budget('other')).to.be.above(0);
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

  it('puts a message off for a quarter of an hour at most, whatever wait it tells', () => {
    const put = settlementOf({ accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 1e13 }, 1000, () => 70);
    expect(put).to.deep.equal({ outcome: 'retry', notBefore: 1000 + LONGEST_TOLD_WAIT_MS });
  });
});

describe('a refusal of a whole envelope', () => {
  it('tells a wait, with a bound', () => {
    const read = (headers: Record<string, string>, body = '') =>
      readRefusal(503, headers, Buffer.from(body)).retryAfterMs;
    const problem = { 'content-type': 'application/problem+json' };
    expect(read({ 'retry-after': '30' })).to.equal(30_000);
    expect(read(problem, '{"retryAfterMs":250}')).to.equal(250);
    expect(read({ 'retry-after': '99999999999' })).to.equal(LONGEST_TOLD_WAIT_MS);
    expect(read(problem, '{"retryAfterMs":1e300}')).to.equal(LONGEST_TOLD_WAIT_MS);
    expect(read({ 'retry-after': '-1' })).to.equal(0);
    expect(read({ 'retry-after': 'Infinity' })).to.equal(undefined);
  });
});
