import { mock } from 'node:test';
import { systemClock } from '@backhaul/runtime';
import { expect } from 'chai';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

describe('the system clock', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('a timer that is longer than what can be counted at once waits all of it', () => {
    let fired = 0;
    systemClock.after(2 * LONGEST_TIMER_MS + 500, () => fired++);
    for (const ms of [LONGEST_TIMER_MS, LONGEST_TIMER_MS, 499]) mock.timers.tick(ms);
    expect(fired).to.equal(0);
    mock.timers.tick(1);
    expect(fired).to.equal(1);
    mock.timers.tick(LONGEST_TIMER_MS);
    expect(fired).to.equal(1);
  });

  it('and can be cancelled in each part of it', () => {
    let fired = 0;
    const timer = systemClock.after(3 * LONGEST_TIMER_MS, () => fired++);
    mock.timers.tick(LONGEST_TIMER_MS);
    timer.cancel();
    mock.timers.tick(LONGEST_TIMER_MS);
    mock.timers.tick(LONGEST_TIMER_MS);
    expect(fired).to.equal(0);
  });

  it('a sleep too; an abort ends it at once', async () => {
    const abort = new AbortController();
    let awake = false;
    const sleep = systemClock.sleep(LONGEST_TIMER_MS + 10, abort.signal).then(() => (awake = true));
    mock.timers.tick(LONGEST_TIMER_MS);
    mock.timers.tick(9);
    await Promise.resolve();
    expect(awake).to.equal(false);
    abort.abort();
    await sleep;
    const whole = systemClock.sleep(LONGEST_TIMER_MS + 10);
    mock.timers.tick(LONGEST_TIMER_MS);
    mock.timers.tick(10);
    await whole;
  });
});
