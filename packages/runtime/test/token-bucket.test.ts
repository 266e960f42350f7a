import { TokenBucket } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';

describe('token bucket', () => {
  it('property: never more than rate × time + burst is let through', () => {
    const steps = fc.array(fc.record({ ms: fc.nat(500), cost: fc.integer({ min: 1, max: 10 }) }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (moves) => {
        const bucket = new TokenBucket(20, 10);
        let now = 0;
        let taken = 0;
        for (const { ms, cost } of moves) {
          now += ms;
          if (bucket.waitFor(cost, now) > 0) continue;
          bucket.take(cost, now);
          taken += cost;
          expect(taken).to.be.at.most((now * 20) / 1000 + 10 + 1e-6);
        }
      }),
    );
  });

  it('property: who waits as told is let through', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), (first, cost) => {
        const bucket = new TokenBucket(7, 10);
        bucket.take(first, 0);
        expect(bucket.waitFor(cost, bucket.waitFor(cost, 0))).to.equal(0);
      }),
    );
  });

  it('property: who takes first and waits as told never passes more than that either', () => {
    const takes = fc.array(fc.record({ after: fc.integer({ min: 0, max: 500 }), n: fc.integer({ min: 1, max: 300 }) }));
    fc.assert(
      fc.property(takes, (steps) => {
        const bucket = new TokenBucket(1000, 200);
        let [now, passed] = [0, 0];
        for (const { after, n } of steps) {
          now += after;
          now += bucket.take(n, now); // whoever is told to wait waits
          passed += n;
          expect(passed).to.be.at.most(200 + now + 1);
        }
      }),
    );
  });

  it('what many are told fills the time that there is, again and again: a storm of refusals keeps nobody away', () => {
    const bucket = new TokenBucket(1, 1);
    bucket.take(1, 0);
    for (let n = 0; n < 10_000; n += 1) bucket.promise(1, 0, 60_000);
    const waiting = Array.from({ length: 40 }, () => ({ at: bucket.promise(1, 0, 60_000) }));
    let passed = 0;
    for (let now = 0; now <= 60_000; now += 500)
      for (const one of waiting.filter(({ at }) => at <= now))
        if (bucket.waitFor(1, now) > 0) one.at = now + bucket.promise(1, now, 60_000);
        else {
          bucket.take(1, now);
          one.at = Number.POSITIVE_INFINITY;
          passed += 1;
        }
    expect(passed).to.be.at.least(38);
  });
});
