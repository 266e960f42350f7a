import { expect } from 'chai';
import fc from 'fast-check';
import { BootWatch, bootRefusal } from '../src/boot-watch.ts';

const CHILD = 'c12345678.p1';

describe('boot watch', () => {
  let watch: BootWatch;
  let now: number;
  beforeEach(() => {
    watch = new BootWatch();
    now = 0;
  });
  const hello = (boot: string) => watch.judge(CHILD, boot, true, now);
  const says = (boot: string) => watch.judge(CHILD, boot, false, now);

  it('listens to the first that is heard, and to one that was restarted', () => {
    expect([says('a'), hello('b'), says('b')]).to.deep.equal(['current', 'current', 'current']);
    expect(says('a')).to.equal('taken-over');
  });

  it('a thousand restarts are no clone', () => {
    for (let i = 0; i < 1000; i++) expect([hello(`b${i}`), says(`b${i}`)]).to.deep.equal(['current', 'current']);
    expect(watch.clones).to.equal(0);
  });

  it('two that live are told to say hello, and are refused both when they go on; other children are not', () => {
    const heard = [hello('a'), hello('b')];
    for (let i = 0; i < 4; i++) heard.push(says('a'), hello('a'), says('b'), hello('b'));
    expect(heard).to.include('taken-over').and.to.include('clone');
    expect([says('a'), hello('b'), hello('c')]).to.deep.equal(['clone', 'clone', 'clone']);
    expect(watch.isClone(CHILD)).to.equal(true);
    expect(watch.judge('c12345678.p2', 'x', false, now)).to.equal('current');
  });

  it('the one that goes on alone is listened to again; so is whoever comes after it was forgotten', () => {
    for (let i = 0; i < 6; i++) [hello('a'), hello('b')].join();
    now += 300_000;
    expect(hello('a')).to.equal('clone');
    now += 301_000;
    expect(hello('a')).to.equal('current');
    for (let i = 0; i < 6; i++) [hello('a'), hello('b')].join();
    expect(hello('a')).to.equal('clone');
    watch.forget(CHILD);
    expect(hello('a')).to.equal('current');
  });

  it('never listens to two at once: between two of different processes stands a hello', () => {
    const step = fc.record({ boot: fc.constantFrom('a', 'b', 'c'), isHello: fc.boolean(), ms: fc.nat(900_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const fresh = new BootWatch();
        let at = 0;
        let last: string | undefined;
        for (const { boot, isHello, ms } of steps) {
          at += ms;
          const wasClone = fresh.isClone(CHILD);
          if (fresh.judge(CHILD, boot, isHello, at) !== 'current') continue;
          if (last !== undefined && last !== boot && !wasClone) expect(isHello).to.equal(true);
          last = boot;
        }
      }),
    );
  });

  it('its refusals may be tried again', () => {
    expect(bootRefusal('taken-over')).to.include({ code: 'BH-E-EPOCH', retryable: true });
    expect(bootRefusal('clone')).to.include({ code: 'BH-E-CLONE', retryable: true, retryAfterMs: 60_000 });
    expect(bootRefusal('current')).to.equal(undefined);
  });
});
