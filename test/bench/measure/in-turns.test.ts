import { expect } from 'chai';
import { inTurns, quantile, ratios, spread } from './in-turns.ts';

describe('Runs in turns', () => {
  it('alternate, ours first, and tell of each pair', async () => {
    const order: string[] = [];
    const told: number[] = [];
    const run = (name: string, value: number) => async () => {
      order.push(name);
      return value;
    };
    const pairs = await inTurns(2, run('ours', 3), run('theirs', 2), (_, n) => told.push(n));
    expect(order).to.deep.equal(['ours', 'theirs', 'ours', 'theirs']);
    expect(told).to.deep.equal([1, 2]);
    expect(ratios(pairs)).to.deep.equal([1.5, 1.5]);
  });

  it('are summed up by least, middle and most', () => {
    expect(spread([3, 1, 2])).to.deep.equal({ min: 1, median: 2, max: 3 });
    expect(spread([1, 2])).to.have.property('median', 1.5);
    expect(() => spread([])).to.throw('nothing was measured');
  });

  it('have quantiles between the values', () => {
    expect(quantile([0, 10], 0.99)).to.be.closeTo(9.9, 1e-9);
    expect(quantile([7], 0.5)).to.equal(7);
  });
});
