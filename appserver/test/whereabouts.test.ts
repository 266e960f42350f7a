import { expect } from 'chai';
import fc from 'fast-check';
import { type HeldRange, type Surroundings, type ToldAt, whereabouts } from '../src/ledger/whereabouts.ts';

const PATH = ['p', 'm1', 'm2'];
const GRACE = 100;
const around = (now: number, told: Record<string, number>, held: HeldRange[] = []): Surroundings => ({
  ...{ held, graceMs: GRACE, now },
  path: PATH.map((component): ToldAt => ({ component, at: told[component] })),
});
const missing = [{ first: 3, last: 6, since: 1_000 }];

describe('Whereabouts', () => {
  it('what a hop holds is in flight there, as many as it holds; the rest is judged', () => {
    const told = { p: 1_200, m1: 1_200, m2: 1_200 };
    const held = [{ component: 'm1', first: 1, last: 5, messages: 2 }];
    expect(whereabouts(missing, around(1_300, told, held))).to.deep.equal([
      { first: 3, last: 4, fate: 'in-flight', at: 'm1' },
      { first: 5, last: 6, fate: 'unexplained' },
    ]);
  });

  it('is called unexplained only when every hop has told after the grace time', () => {
    const all = { p: 1_100, m1: 1_100, m2: 1_100 };
    const fate = (now: number, told: Record<string, number>) => {
      const { fate: said, below } = whereabouts(missing, around(now, told))[0]!;
      return below ?? said;
    };
    expect(fate(1_099, all)).to.equal('m2');
    expect(fate(1_100, all)).to.equal('unexplained');
    expect(fate(9_000, { ...all, m1: 1_099 })).to.equal('m1');
    expect(fate(9_000, { m1: 1_100, m2: 1_100 })).to.equal('p');
    expect(fate(9_000, { p: 1_100, m1: 1_100 })).to.equal('m2');
  });

  it('reports of thousands of ranges about thousands of gaps are looked through in no time [T-A35]', () => {
    const gaps = Array.from({ length: 4_096 }, (_, n) => ({ first: 10 * n + 1, last: 10 * n + 9, since: 1_000 }));
    const held = Array.from({ length: 32_000 }, (_, n) => ({
      component: 'p',
      first: n + 1,
      last: 45_000,
      messages: 1,
    }));
    const began = performance.now();
    const found = whereabouts(gaps, around(1_300, { p: 1_200, m1: 1_200, m2: 1_200 }, held));
    expect(performance.now() - began).to.be.below(2_000);
    expect(found.filter(({ fate }) => fate === 'in-flight')).to.have.length(32_000);
  });

  it('never cries wolf over what is on its way, and never hides a loss: hops that tell in turn, messages that move', () => {
    const hops = PATH.length;
    const EVERY = 10;
    const GRACE_OF_RUN = (hops + 2) * EVERY;
    const run = fc.record({
      phases: fc.tuple(...PATH.map(() => fc.nat(EVERY - 1))),
      moves: fc.array(fc.nat(40), { minLength: hops, maxLength: hops }),
      lostAt: fc.option(fc.nat(hops - 1), { nil: undefined }),
    });
    fc.assert(
      fc.property(run, ({ phases, moves, lostAt }) => {
        const leavesAt = moves.map((_, hop) => moves.slice(0, hop + 1).reduce((sum, stay) => sum + stay, 0));
        const holder = (now: number) => {
          const hop = leavesAt.findIndex((at) => now < at);
          if (hop < 0) return lostAt === undefined ? 'arrived' : 'lost';
          return lostAt !== undefined && hop > lostAt ? 'lost' : PATH[hop]!;
        };
        const told: Record<string, number> = {};
        let held: (HeldRange & { at: number })[] = [];
        let judged = '';
        for (let now = 0; now < 400; now++) {
          for (const [hop, component] of PATH.entries()) {
            if (now % EVERY !== phases[hop]) continue;
            told[component] = now;
            if (holder(now) === component) held = [...held, { component, first: 1, last: 1, messages: 1, at: now }];
          }
          const recent = held.filter(({ at }) => at >= now - GRACE_OF_RUN);
          const view = { ...around(now, told, recent), graceMs: GRACE_OF_RUN };
          judged = whereabouts([{ first: 1, last: 1, since: 0 }], view)[0]!.fate;
          if (judged === 'unexplained') expect(holder(now), `at ${now}`).to.not.be.oneOf(PATH);
        }
        if (holder(400) === 'lost') expect(judged).to.equal('unexplained');
      }),
      { numRuns: 100 },
    );
  });
});
