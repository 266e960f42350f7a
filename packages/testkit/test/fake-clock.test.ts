import { FakeClock } from '@backhaul/testkit';
import { expect } from 'chai';

describe('fake clock', () => {
  it('runs timers in the order of their time, those made meanwhile too', async () => {
    const clock = new FakeClock(1000);
    const ran: string[] = [];
    clock.after(20, () => ran.push(`b ${clock.now()}`));
    clock.after(10, () => {
      ran.push(`a ${clock.now()}`);
      clock.after(5, () => ran.push(`c ${clock.now()}`));
    });
    clock.after(10, () => ran.push('cancelled')).cancel();
    await clock.advance(25);
    expect(ran).to.deep.equal(['a 1010', 'c 1015', 'b 1020']);
    expect([clock.now(), clock.monotonic(), clock.pending]).to.deep.equal([1025, 25, 0]);
  });

  it('lets sleepers go on between timers', async () => {
    const clock = new FakeClock();
    let steps = 0;
    const walk = async (): Promise<void> => {
      for (; steps < 5; steps++) await clock.sleep(10);
    };
    const walking = walk();
    await clock.advance(49);
    expect(steps).to.equal(4);
    await clock.advance(1);
    await walking;
  });

  it('wakes a sleeper whose signal aborts, and keeps no timer', async () => {
    const clock = new FakeClock();
    const control = new AbortController();
    const sleeping = clock.sleep(1000, control.signal);
    control.abort();
    await sleeping;
    await clock.sleep(1000, control.signal);
    expect(clock.pending).to.equal(0);
  });

  it('jumps the wall without moving what counts for timers', async () => {
    const clock = new FakeClock(0);
    let ran = false;
    clock.after(10, () => {
      ran = true;
    });
    clock.jump(1_000_000);
    expect([clock.now(), clock.monotonic(), ran]).to.deep.equal([1_000_000, 0, false]);
    await clock.advance(10);
    expect(ran).to.equal(true);
  });
});
