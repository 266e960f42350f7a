import { expect } from 'chai';
import fc from 'fast-check';
import { EpochWatch, epochRefusal } from '../src/epoch-watch.ts';

const CHILD = 'c12345678.p1';
const HOUR = 3_600_000;

/** A parent that sees epochs in the order in which they begin. */
class Parent {
  readonly watch = new EpochWatch();
  readonly seen: string[] = [];
  now = 0;

  hears(epoch: string): string {
    const judgement = this.watch.judge(
      CHILD,
      epoch,
      { newest: this.seen.at(-1), known: this.seen.includes(epoch) },
      this.now,
    );
    if (judgement === 'begins' || (judgement === 'current' && this.seen.length === 0)) this.seen.push(epoch);
    return judgement;
  }
}

describe('epoch watch', () => {
  it('takes the first epoch, and one that begins takes over', () => {
    const parent = new Parent();
    expect(['e1', 'e1', 'e2', 'e2'].map((epoch) => parent.hears(epoch))).to.deep.equal([
      'current',
      'current',
      'begins',
      'current',
    ]);
  });

  it('fences an epoch that was taken over, however often it speaks', () => {
    const parent = new Parent();
    for (const epoch of ['e1', 'e2']) parent.hears(epoch);
    for (let i = 0; i < 1000; i++) expect(parent.hears('e1')).to.equal('superseded');
    expect(parent.hears('e2')).to.equal('current');
  });

  it('a copy restored again and again begins a new epoch each time and is no clone', () => {
    const parent = new Parent();
    for (let i = 0; i < 500; i++) expect(parent.hears(`e${i}`)).to.equal(i === 0 ? 'current' : 'begins');
    expect(parent.watch.clones()).to.deep.equal([]);
  });

  it('two that live take over from one another: fenced after a few, both, until it is forgotten', () => {
    const parent = new Parent();
    const heard: string[] = [];
    for (let i = 1; i <= 6; i++) heard.push(parent.hears(`e${i}`), i > 1 ? parent.hears(`e${i - 1}`) : '');
    expect(heard.filter((one) => one === 'superseded')).to.have.length(3);
    expect(heard.at(-1)).to.equal('clone');
    expect([parent.hears('e99'), parent.hears('e1')]).to.deep.equal(['clone', 'clone']);
    expect(parent.watch.clones()).to.deep.equal([CHILD]);
    parent.watch.forget(CHILD);
    expect(parent.hears('e100')).to.equal('begins');
  });

  it('the one that goes on alone is listened to again, as soon as the other has been silent for ten minutes', () => {
    const parent = new Parent();
    for (let i = 1; i <= 6; i++) [parent.hears(`e${i}`), i > 1 ? parent.hears(`e${i - 1}`) : ''].join();
    const minutes = (count: number, epochs: readonly string[]) =>
      Array.from({ length: count }, () => {
        parent.now += 60_000;
        return epochs.map((epoch) => parent.hears(epoch)).join();
      });
    expect(new Set(minutes(60, ['e4', 'e5'])), 'both go on').to.deep.equal(new Set(['clone,clone']));
    expect(parent.watch.isClone(CHILD)).to.equal(true);
    expect(new Set(minutes(9, ['e4'])), 'one is silent').to.deep.equal(new Set(['clone']));
    expect(minutes(1, ['e4'])).to.deep.equal(['superseded']); // it begins a new epoch
    expect(minutes(1, ['e7'])).to.deep.equal(['begins']);
    expect([parent.watch.isClone(CHILD), parent.watch.clones()]).to.deep.equal([false, []]);
    expect(minutes(3, ['e7'])).to.deep.equal(['current', 'current', 'current']);
  });

  it('what was an hour ago does not count', () => {
    const parent = new Parent();
    for (let i = 1; i <= 50; i++) {
      parent.hears(`e${i}`);
      if (i > 1) expect(parent.hears(`e${i - 1}`)).to.equal('superseded');
      parent.now += HOUR / 2;
    }
  });

  it('never takes an epoch that another has taken over from', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 60 }), (spoken) => {
        const parent = new Parent();
        for (const n of spoken) {
          const newest = parent.seen.at(-1);
          const wasKnown = parent.seen.includes(`e${n}`);
          const judgement = parent.hears(`e${n}`);
          if (wasKnown && newest !== `e${n}`) expect(judgement).to.be.oneOf(['superseded', 'clone']);
        }
      }),
    );
  });

  it('refusals may be tried again: nothing becomes a dead letter because of them', () => {
    expect(epochRefusal('superseded', 'e1')).to.include({ code: 'BH-E-EPOCH', retryable: true });
    expect(epochRefusal('clone', 'e1')).to.include({ code: 'BH-E-CLONE', retryable: true, retryAfterMs: 60_000 });
    expect(epochRefusal('current', 'e1')).to.equal(undefined);
    expect(epochRefusal('begins', 'e1')).to.equal(undefined);
  });
});
