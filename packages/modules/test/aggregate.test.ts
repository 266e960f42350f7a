import type { Data } from '@backhaul/envelope';
import { expect } from 'chai';
import fc from 'fast-check';
import { aggregateModule, summarise } from '../src/index.ts';
import { json, messageOf } from './messages.ts';

const rules = [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 10_000 }];

describe('aggregate', () => {
  it('holds by class, source and support instance', () => {
    const module = aggregateModule({ use: 'aggregate', rules });
    const key = (source: string, instance: string) => {
      const action = module.up?.(messageOf({ source, instance }, json({})));
      return action?.do === 'hold' ? action.key : undefined;
    };
    expect(key('c1.p1', 's1')).to.be.a('string').and.equal(key('c1.p1', 's1'));
    expect(new Set([key('c1.p1', 's1'), key('c1.p2', 's1'), key('c1.p1', 's2')]).size).to.equal(3);
    expect(module.up?.(messageOf({ subclass: 'other' }, json({})))?.do).to.equal('pass');
  });

  it('merges numbers to minimum, mean and maximum, nested ones by their path', () => {
    const module = aggregateModule({ use: 'aggregate', rules });
    const merged = module.merge?.('key', [
      messageOf({ madeAt: 2_000 }, json({ load1: 1, memory: { used: 10 }, host: 'a', up: true })),
      messageOf({ madeAt: 1_000 }, json({ load1: 3, memory: { used: 20 } })),
    ]);
    expect(merged?.header).to.include({ class: 'performance', subclass: 'summary', contentType: 'data' });
    expect(JSON.parse((merged?.content as Data | undefined)?.text ?? '')).to.deep.equal({
      count: 2,
      from: 1_000,
      to: 2_000,
      metrics: { load1: { min: 1, mean: 2, max: 3 }, 'memory.used': { min: 10, mean: 15, max: 20 } },
    });
  });

  it('does not hold a body that it could not merge', () => {
    const module = aggregateModule({ use: 'aggregate', rules });
    const broken = messageOf({}, { type: 'data', mimeType: 'application/json', encoding: 'none', text: '{' });
    expect(() => module.up?.(broken)).to.throw('BH-E-JSON');
  });

  it('two rules for one class are refused', () => {
    expect(() => aggregateModule({ use: 'aggregate', rules: [...rules, ...rules] })).to.throw('BH-E-CONFIG');
  });

  it('property: min ≤ mean ≤ max, and each equals what a sort says', () => {
    const values = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, (numbers) => {
        const summary = summarise(numbers.map((n) => new Map([['m', n]])))['m'];
        const sorted = numbers.toSorted((a, b) => a - b);
        expect(summary?.min).to.equal(sorted[0]);
        expect(summary?.max).to.equal(sorted.at(-1));
        const mean = numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
        expect(summary?.mean).to.be.closeTo(mean, 1e-6);
      }),
    );
  });

  it('a metric named __proto__ reaches no prototype', () => {
    const module = aggregateModule({ use: 'aggregate', rules });
    const evil: Data = {
      type: 'data',
      mimeType: 'application/json',
      encoding: 'none',
      text: '{"__proto__":{"x":1},"a":2}',
    };
    expect(() => module.up?.(messageOf({}, evil))).to.throw('BH-E-NAME');
    expect(({} as Record<string, unknown>)['x']).to.equal(undefined);
  });
});
