import type { Lane } from '@backhaul/envelope';
import { commitChanges, LaneQueue, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Draft, Outbox } from '../src/index.ts';

const ROOM = 8;

const draft = (lane: Lane, persistent = false): Draft => ({
  lane,
  persistent,
  classification: 'data-collection',
  class: 'x-t',
  subclass: 's',
  content: { type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x' },
});

async function outbox() {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const random = seededRandom(1);
  const spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1 << 20, maxMessages: ROOM });
  const numbering = new SequenceCounter({ store, random, prefix: 'own' });
  await store.start();
  await spool.load();
  await numbering.load();
  const out = new Outbox({ self: 'c12345678.p1', numbering, spool, clock, random });
  const put = async (...drafts: Draft[]) => {
    const { results, changes } = out.stage(drafts);
    await commitChanges(store, changes);
    return results;
  };
  return { store, spool, clock, out, put };
}

describe('Outbox in a full spool', () => {
  it('the receipt of what had to go stands in its place: nobody else goes for it', async () => {
    const { spool, put } = await outbox();
    for (let i = 0; i < ROOM; i++) await put(draft(8));
    let refused: unknown;
    for (let i = 0; i < ROOM && refused === undefined; i++) {
      await put(draft(2)).catch((error) => (refused = error));
      expect(spool.depth().messages).to.be.at.most(ROOM + 1);
    }
    expect(refused).to.include({ code: 'BH-E-SPOOL-FULL' }); // receipts are never thrown away, urgent messages neither
    expect(spool.depth().byLane[2]?.messages).to.be.at.least(ROOM / 2);
  });

  it('what is past its time leaves a spool that is full of it', async () => {
    const { store, spool, clock, out, put } = await outbox();
    for (let i = 0; i < ROOM; i++) await put({ ...draft(4), expiresInMs: 1_000 });
    await clock.advance(70_000);
    const { change, removed } = spool.expire(clock.now());
    expect(removed).to.have.length(ROOM);
    await commitChanges(store, [change, out.receipts(removed)]);
    expect(spool.depth().messages).to.equal(1); // one receipt speaks for all
  });
});
