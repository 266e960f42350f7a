import { systemClock } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, SeenIntervals, stagedChange } from '@backhaul/spool';
import { codeOf, sampleEntry } from '@backhaul/spool/contract';
import { until } from '@backhaul/testkit';
import { expect } from 'chai';

describe('commitChanges', () => {
  it('when one change throws, the others leave no mark and no hole: the message that comes again is taken and sent', async () => {
    const store = new MemoryStore();
    await store.start();
    const spool = new LaneQueue({ store, clock: systemClock, prefix: 'spool', maxBytes: 1e9, maxMessages: 1e6 });
    const seen = new SeenIntervals({ store, prefix: 'seen' });
    await spool.load();
    await seen.load();
    const one = sampleEntry({ sequence: 1, receivedAt: systemClock.now() });
    const { source, epoch, lane, sequence } = one;
    const mark = { source, epoch, lane, from: sequence, to: sequence };
    const broken = stagedChange(() => {
      throw new Error('a bug');
    });
    await codeOf(() => commitChanges(store, [seen.stage([mark]), spool.stage([one]), broken]));
    await until('it is open again', () => store.state === 'open');
    expect(seen.has(source, epoch, lane, sequence)).to.equal(false);
    expect(spool.depth().messages).to.equal(0);
    await commitChanges(store, [seen.stage([mark]), spool.stage([one])]);
    expect((await spool.claim({ maxMessages: 10, maxBytes: 1e6 }))?.entries).to.deep.equal([one]);
    await store.stop();
  });
});
