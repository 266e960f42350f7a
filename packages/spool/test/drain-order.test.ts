import { expect } from 'chai';
import fc from 'fast-check';
import { AGEING_CLAIMS, DrainOrder, LAST_STRICT_LANE } from '../src/drain-order.ts';

/** Which lanes have something to send at each claim; gives which was served. */
function serve(rounds: readonly (readonly number[])[]): number[] {
  const drain = new DrainOrder();
  return rounds.map((due) => {
    const [first] = drain.order(due) as [number, ...number[]];
    drain.served(first, due);
    return first;
  });
}

const lanes = fc.subarray([0, 1, 2, 3, 4, 5, 6, 7, 8], { minLength: 1 });

describe('the order in which lanes drain', () => {
  it('lanes 0 to 3 are strictly first, the lowest of them', () => {
    fc.assert(
      fc.property(fc.array(lanes, { minLength: 1, maxLength: 60 }), (rounds) => {
        for (const [at, served] of serve(rounds).entries()) {
          const lowest = Math.min(...rounds[at]!);
          if (lowest <= LAST_STRICT_LANE) expect(served).to.equal(lowest);
        }
      }),
    );
  });

  it('no lane above them starves, whatever the others do', () => {
    const bound = (8 - LAST_STRICT_LANE - 1) * AGEING_CLAIMS + 5;
    const others = fc.array(fc.subarray([4, 5, 6, 7, 8]), { minLength: 60, maxLength: 120 });
    fc.assert(
      fc.property(fc.constantFrom(4, 5, 6, 7, 8), others, (waiting, rounds) => {
        let passedOver = 0;
        for (const served of serve(rounds.map((due) => [...new Set([waiting, ...due])]))) {
          passedOver = served === waiting ? 0 : passedOver + 1;
          expect(passedOver).to.be.at.most(bound);
        }
      }),
    );
  });

  it('a backlog in every lane: most goes to the highest precedence, each gets its part', () => {
    const served = serve(Array.from({ length: 1_700 }, () => [4, 6, 8]));
    const count = (lane: number): number => served.filter((each) => each === lane).length;
    expect(count(4)).to.be.within(1_300, 1_500);
    expect(count(6)).to.be.within(130, 220);
    expect(count(8)).to.be.within(80, 130);
  });

  it('urgent messages in between age nobody, and who had nothing to send has not waited', () => {
    expect(serve([...Array.from({ length: 50 }, () => [2, 4, 8]), [4, 8]]).at(-1)).to.equal(4);
    expect(serve([...Array.from({ length: 50 }, () => [4]), [4, 8]]).at(-1)).to.equal(4);
  });
});
