import { FaultProxy, leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, type LowerOptions, lower, type Upper, upper } from './support/hop.ts';
import { downwardMessage, messageId, OTHER_MLM, PROXY, sequencesOf, spoolEntries } from './support/messages.ts';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('two parents', () => {
  leakCheck({ before, after });
  let first: Upper;
  let second: Upper;
  let line: FaultProxy;
  let below: Lower;

  const connect = async (options: Partial<LowerOptions> = {}): Promise<void> => {
    below = await lower({
      parents: [{ url: line.through(first.listener.url) }, { id: OTHER_MLM, url: second.listener.url }],
      ...options,
    });
    await until('greeted', () => below.uplink.status().connected);
  };
  /** ms from a new message to its effect at the second parent */
  const arrivesAtSecond = async (from: number, count = 1): Promise<number> => {
    const began = performance.now();
    await below.submit(spoolEntries(from, count));
    await until('it arrives', () => second.handler.effects.length >= count, 20_000);
    const took = performance.now() - began;
    return took;
  };

  beforeEach(async () => {
    [first, second] = await Promise.all([upper(), upper({ self: OTHER_MLM })]);
    line = await FaultProxy.start(first.listener.url);
  });
  afterEach(async () => {
    line.faults.stalled = false;
    await below.stop();
    await line.stop();
    await first.stop();
    await second.stop();
  });

  it('the first is killed: what comes next is through the second within two seconds', async () => {
    await connect();
    line.faults.refusing = true;
    line.reset();
    expect(await arrivesAtSecond(1, 5)).to.be.below(2000);
    await until('it is settled', () => below.spool.depth().messages === 0);
    expect(below.uplink.status()).to.include({ connected: true, parent: OTHER_MLM });
    expect(sequencesOf(second.handler.effects)).to.deep.equal(upTo(5));
  });

  it('the first hangs (its connections stay open): it is left within seven seconds', async () => {
    await connect();
    line.faults.stalled = true;
    const took = await arrivesAtSecond(1, 5);
    expect(took).to.be.within(1500, 7000);
    expect(below.uplink.status().parent).to.equal(OTHER_MLM);
    expect(below.uplink.status().lastError).to.include({ code: 'BH-E-PARENT-SILENT' });
  }).timeout(30_000);

  it('the first hangs before the first hello: the second is used', async () => {
    line.faults.stalled = true;
    const began = performance.now();
    await connect();
    expect(performance.now() - began).to.be.below(7000);
    expect(below.uplink.status().parent).to.equal(OTHER_MLM);
  }).timeout(30_000);

  it('a parent that takes its time but is there is not left', async () => {
    await connect();
    first.handler.before = () => new Promise((resolve) => setTimeout(resolve, 6000));
    await below.submit(spoolEntries(1, 3));
    await until('it is done', () => below.spool.depth().messages === 0, 15_000);
    expect(sequencesOf(first.handler.effects)).to.deep.equal([1, 2, 3]);
    expect(second.handler.effects).to.deep.equal([]);
    expect(first.handler.envelopes).to.deep.equal([3]);
  }).timeout(30_000);

  it('a slow line with much under way is not left either', async () => {
    await connect({ maxMessages: 256 });
    line.faults.delayMs = 150; // each piece of 64 KiB, one after the other
    await below.submit(spoolEntries(1, 200, { bytes: 10_000 }));
    await until('it is done', () => below.spool.depth().messages === 0, 40_000);
    expect(first.handler.effects).to.have.length(200);
    expect(second.handler.effects).to.deep.equal([]);
  }).timeout(60_000);

  it('each has a mailbox of its own, and each is acknowledged by its own number', async () => {
    for (const n of [1, 2, 3]) first.handler.mailboxes.put(PROXY, downwardMessage(n));
    await connect();
    await until('the first is read', () => first.handler.mailboxes.depth(PROXY) === 0);
    second.handler.mailboxes.put(PROXY, downwardMessage(4));
    line.faults.refusing = true;
    line.reset();
    await until('the second is read', () => second.handler.mailboxes.depth(PROXY) === 0, 10_000);
    expect(below.downward.received).to.deep.equal([1, 2, 3, 4].map(messageId));
  }).timeout(30_000);

  it('greets each anew when it is taken into use', async () => {
    const marked: number[] = [];
    await connect({ onMarks: (marks) => void marked.push(marks.length) });
    second.handler.ownMarks = [{ source: PROXY, epoch: '00000000000000aa', lane: 6, through: 0 }];
    line.faults.refusing = true;
    line.reset();
    await arrivesAtSecond(1);
    expect(marked).to.deep.equal([0, 1]);
  });
});
