import { commitChanges, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { codeOf } from '@backhaul/spool/contract';
import { seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';

describe('SequenceCounter', () => {
  let store: MemoryStore;
  const random = seededRandom(7);
  beforeEach(async () => {
    store = new MemoryStore();
    await store.start();
  });
  afterEach(() => store.stop());

  const make = async (): Promise<SequenceCounter> => {
    const numbering = new SequenceCounter({ store, random, prefix: 'own' });
    await numbering.load();
    return numbering;
  };

  it('counts each lane from 1, without holes, across restarts of one epoch', async () => {
    const first = await make();
    const [a, b, c] = [first.stage(4, 3), first.stage(4, 1), first.stage(2, 1)];
    expect([a.first, b.first, c.first]).to.deep.equal([1, 4, 1]);
    await commitChanges(store, [a.change, b.change, c.change]);
    const second = await make();
    expect(second.epoch)
      .to.equal(first.epoch)
      .and.match(/^[0-9a-f]{16}$/);
    expect([second.last(4), second.last(2), second.last(6)]).to.deep.equal([4, 1, 0]);
  });

  it('gives numbers back that were not committed within their tick', async () => {
    const numbering = await make();
    const dropped = numbering.stage(4, 5);
    await Promise.resolve();
    expect(numbering.last(4)).to.equal(0);
    expect(await codeOf(() => dropped.change.ops)).to.equal('BH-E-INTERNAL');
    const next = numbering.stage(4, 1);
    expect(next.first).to.equal(1);
    await commitChanges(store, [next.change]);
    expect((await make()).last(4)).to.equal(1);
  });

  it('a store that was found damaged begins a new epoch, once: what is stored may be older than what was given', async () => {
    const before = await make();
    await commitChanges(store, [before.stage(4, 3).change]);
    store.report({ code: 'BH-E-SPOOL-DAMAGED', detail: 'value of own/lane/4' });
    const after = await make();
    expect(after.epoch).to.not.equal(before.epoch);
    expect(after.last(4)).to.equal(0);
    const renewed = after.epoch;
    await commitChanges(store, [after.stage(4, 1).change]);
    await after.load();
    expect([after.epoch, after.last(4)]).to.deep.equal([renewed, 1]);
  });

  it('never leaves a hole below what is committed', async () => {
    const numbering = await make();
    numbering.stage(4, 1);
    const later = numbering.stage(4, 1);
    expect(await codeOf(() => later.change.ops)).to.equal('BH-E-INTERNAL');
    await Promise.resolve();
    expect(numbering.stage(4, 1).first).to.equal(1);
  });

  it('continues from what is on disk after a failed commit', async () => {
    const numbering = await make();
    await commitChanges(store, [numbering.stage(4, 2).change]);
    store.failWrites(1);
    await commitChanges(store, [numbering.stage(4, 2).change]).catch(() => {});
    while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
    expect(numbering.stage(4, 1).first).to.equal(3);
  });

  it('a new epoch begins at 1 again, and is kept', async () => {
    const numbering = await make();
    const { epoch } = numbering;
    await commitChanges(store, [numbering.stage(4, 9).change]);
    await commitChanges(store, [numbering.renew()]);
    expect(numbering.epoch).to.not.equal(epoch);
    expect((await make()).stage(4, 1).first).to.equal(1);
    expect((await make()).epoch).to.equal(numbering.epoch);
  });

  it('an epoch in which nothing was numbered is not kept', async () => {
    expect((await make()).epoch).to.not.equal((await make()).epoch);
  });
});
