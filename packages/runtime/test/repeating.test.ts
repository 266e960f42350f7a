import { Repeating } from '@backhaul/runtime';
import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';

describe('Repeating', () => {
  it('begins after one interval, and the next time so long after the last has ended', async () => {
    const clock = new FakeClock();
    const at: number[] = [];
    const repeating = new Repeating(clock, 1_000, async () => {
      at.push(clock.monotonic());
      await clock.sleep(500);
    });
    repeating.start();
    await clock.advance(4_200);
    expect(at).to.deep.equal([1_000, 2_500, 4_000]);
    const stopped = repeating.stop();
    await clock.advance(10_000);
    await stopped;
    expect(at).to.have.length(3);
  });

  it('a stop waits for what is under way', async () => {
    const clock = new FakeClock();
    const { promise, resolve } = Promise.withResolvers<void>();
    const seen: string[] = [];
    const repeating = new Repeating(clock, 1_000, () => promise.then(() => seen.push('ended')));
    repeating.start();
    await clock.advance(1_000);
    const stopped = repeating.stop().then(() => seen.push('stopped'));
    expect(repeating.running).to.equal(false);
    resolve();
    await stopped;
    expect(seen).to.deep.equal(['ended', 'stopped']);
  });

  it('stops twice, and without a start', async () => {
    const repeating = new Repeating(new FakeClock(), 1_000, async () => {});
    await repeating.stop();
    await repeating.stop();
  });
});
