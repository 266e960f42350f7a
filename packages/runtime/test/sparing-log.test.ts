import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Logger, SparingLog, silentLogger } from '../src/index.ts';

describe('sparing log', () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
  let clock: FakeClock;
  let log: SparingLog;
  beforeEach(() => {
    lines.length = 0;
    clock = new FakeClock();
    log = new SparingLog(logger, clock, { quietMs: 1000 });
  });

  it('the first is logged at once, then one after each quiet time with the number of those left out', async () => {
    for (let n = 0; n < 100; n++) log.log('warn', 'full', { n }, 'refused');
    expect(lines).to.deep.equal([{ n: 0 }]);
    await clock.advance(1000);
    log.log('warn', 'full', { n: 100 }, 'refused');
    expect(lines[1]).to.deep.equal({ n: 100, unlogged: 99 });
    await clock.advance(1000);
    log.log('warn', 'full', { n: 101 }, 'refused');
    expect(lines[2]).to.deep.equal({ n: 101 });
  });

  it('one kind of trouble does not hide another', () => {
    log.log('warn', 'full', { a: 1 }, 'refused');
    log.log('warn', 'throttle', { b: 1 }, 'refused');
    expect(lines).to.deep.equal([{ a: 1 }, { b: 1 }]);
  });

  it('kinds are bounded: the one that was logged longest ago is forgotten', () => {
    for (let n = 0; n < 1000; n++) log.log('warn', `kind ${n}`, { n }, 'refused');
    lines.length = 0;
    log.log('warn', 'kind 999', {}, 'refused');
    log.log('warn', 'kind 0', {}, 'refused');
    expect(lines).to.have.length(1);
  });
});
