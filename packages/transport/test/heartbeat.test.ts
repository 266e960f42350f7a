import { type HeldRange, readContent, readHeader, readHoldings } from '@backhaul/envelope';
import { silentLogger } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, SequenceCounter } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { Heartbeat, Outbox } from '@backhaul/transport';
import { expect } from 'chai';
import { PROXY, spoolEntries } from './support/messages.ts';

const MINUTE = 60_000;

describe('what a component says of itself', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let spool: LaneQueue;
  let connected: boolean;
  let ranges: HeldRange[];
  let heartbeat: Heartbeat;
  const warned: string[] = [];

  const build = async (maxMessages = 10_000): Promise<void> => {
    clock = new FakeClock();
    store = new MemoryStore();
    await store.start();
    const random = seededRandom(4);
    spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1 << 24, maxMessages });
    const numbering = new SequenceCounter({ store, random, prefix: 'own' });
    await numbering.load();
    await spool.load();
    connected = true;
    ranges = [];
    warned.length = 0;
    heartbeat = new Heartbeat({
      ...{ self: PROXY, title: 'proxy', numbering, spool, store, clock, intervalMs: MINUTE },
      tree: () => ({ kind: 'proxy', id: PROXY, state: 'ok', children: [] }),
      connected: () => connected,
      outbox: new Outbox({ self: PROXY, numbering, spool, clock, random }),
      holdings: () => ({ ranges, truncated: false }),
      logger: { ...silentLogger, warn: (_fields: object, text: string) => void warned.push(text) },
    });
  };

  /** Takes everything out as the parent would, and tells what it was. */
  const taken = async (): Promise<string[]> => {
    const said: string[] = [];
    for (let claim = await spool.claim({ maxMessages: 256, maxBytes: 1 << 24 }); claim; ) {
      said.push(...claim.entries.map(({ subclass }) => subclass));
      const { change } = spool.settle(
        claim,
        claim.entries.map(() => ({ outcome: 'accepted' })),
      );
      await commitChanges(store, [change]);
      claim = await spool.claim({ maxMessages: 256, maxBytes: 1 << 24 });
    }
    return said;
  };

  beforeEach(() => build());
  afterEach(async () => {
    connected = false;
    await heartbeat.stop();
    await store.stop();
  });

  it('begins with a notice and a heartbeat, goes on with heartbeats, and ends with a notice', async () => {
    await heartbeat.start();
    expect(await taken()).to.deep.equal(['notice', 'heartbeat']);
    for (let i = 0; i < 3; i++) {
      await clock.advance(MINUTE);
      expect(await taken()).to.deep.equal(['heartbeat']);
    }
    connected = false;
    await heartbeat.stop();
    expect(await taken()).to.deep.equal(['notice']);
  });

  it('a heartbeat may be replaced by a newer one, and has no use after ten', async () => {
    await heartbeat.start();
    const claim = await spool.claim({ maxMessages: 9, maxBytes: 1 << 20 });
    const { header, expiresAt } = claim!.entries.find(({ subclass }) => subclass === 'heartbeat')!;
    expect(readHeader(header).qos).to.include({ supersedeKey: 'heartbeat', persistent: false });
    expect(expiresAt! - clock.now()).to.equal(10 * MINUTE);
  });

  it('while the parent is away only every tenth is made', async () => {
    await heartbeat.start();
    await taken();
    connected = false;
    await clock.advance(35 * MINUTE);
    const waiting = (await taken()).filter((subclass) => subclass === 'heartbeat');
    expect(waiting.length).to.be.within(1, 3);
    connected = true;
    await clock.advance(MINUTE);
    expect(await taken()).to.include('heartbeat');
  });

  it('what is held is told with it, and once more when nothing is', async () => {
    await heartbeat.start();
    expect(await taken()).not.to.include('holdings');
    ranges = [{ source: PROXY, epoch: '00000000000000aa', lane: 6, from: 3, to: 9, messages: 5 }];
    await clock.advance(MINUTE);
    const claim = await spool.claim({ maxMessages: 9, maxBytes: 1 << 20 });
    const holdings = claim!.entries.find(({ subclass }) => subclass === 'holdings')!;
    const told = readHoldings(readContent(holdings.body));
    expect(told).to.deep.include({ ranges, truncated: false, madeAt: clock.now() });
    expect(told.own.map(({ lane, last }) => [lane, last])).to.deep.equal([[4, 2]]);
    expect(readHeader(holdings.header).qos.supersedeKey).to.equal('holdings');
    spool.release(claim!);
    await taken();
    ranges = [];
    await clock.advance(MINUTE);
    expect(await taken()).to.include('holdings');
    await clock.advance(MINUTE);
    expect(await taken()).to.deep.equal(['heartbeat']);
  });

  it('a full spool has room for it', async () => {
    await build(160);
    await commitChanges(store, [spool.stage(spoolEntries(1, 160, { lane: 0 }))]);
    await heartbeat.start();
    await heartbeat.notify('store-findings', {
      severity: 'major',
      text: 'two records are damaged',
      data: { damaged: 2 },
    });
    expect(warned).to.deep.equal([]);
    expect((await taken()).filter((subclass) => subclass === 'notice')).to.have.length(2);
  });
});
