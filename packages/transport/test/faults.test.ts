import { FaultProxy, leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, lower, type Upper, upper } from './support/hop.ts';
import { downwardMessage, messageId, PROXY, sequencesOf, spoolEntries } from './support/messages.ts';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('one hop over a line that fails', () => {
  leakCheck({ before, after });
  let above: Upper;
  let below: Lower;
  let line: FaultProxy;

  beforeEach(async () => {
    above = await upper();
    line = await FaultProxy.start(above.listener.url);
    below = await lower({ parents: [{ url: line.through(above.listener.url) }], maxMessages: 10 });
    await until('greeted', () => below.uplink.status().connected);
  });
  afterEach(async () => {
    await below.stop();
    await line.stop();
    await above.stop();
  });
  const drained = (): Promise<void> => until('the spool is empty', () => below.spool.depth().messages === 0, 15_000);

  it('the answer is lost after the commit: sent again, in effect once', async () => {
    line.faults.dropReply = true;
    await below.submit(spoolEntries(1, 10));
    await until('answers were lost', () => line.hits.dropped >= 2 && above.handler.effects.length === 10);
    expect(below.spool.depth().messages, 'nothing leaves because it was sent').to.equal(10);
    line.faults.dropReply = false;
    await drained();
    expect(above.handler.envelopes.length).to.be.above(1);
    expect(sequencesOf(above.handler.effects)).to.deep.equal(upTo(10));
  });

  it('the request is cut in its middle: nothing is taken, then all', async () => {
    line.faults.cutAfter = { direction: 'up', bytes: 2000 };
    await below.submit(spoolEntries(1, 50));
    await drained();
    expect(line.hits.cut).to.equal(1);
    expect(sequencesOf(above.handler.effects)).to.have.members(upTo(50)).and.to.have.length(50);
  });

  it('connections are reset again and again: everything arrives once', async () => {
    const resets = setInterval(() => line.reset(), 30);
    for (let batch = 0; batch < 10; batch++) {
      await below.submit(spoolEntries(1 + batch * 20, 20));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    clearInterval(resets);
    await drained();
    expect(sequencesOf(above.handler.effects)).to.have.members(upTo(200)).and.to.have.length(200);
  });

  it('the back-channel reply is lost: the message comes again and is acknowledged', async () => {
    line.faults.dropReply = true;
    above.handler.mailboxes.put(PROXY, downwardMessage(1));
    await until('a reply was lost', () => line.hits.dropped >= 1);
    expect(above.handler.mailboxes.depth(PROXY)).to.equal(1);
    line.faults.dropReply = false;
    await until('it is here', () => below.downward.received.length > 0, 10_000);
    expect(below.downward.received[0]).to.equal(messageId(1));
    await until('it has left the mailbox', () => above.handler.mailboxes.depth(PROXY) === 0);
  });

  it('the parent was restarted while nothing was in flight: it is not kept waiting for numbers it cannot know', async () => {
    await below.submit(spoolEntries(1, 5));
    await drained();
    const port = Number(new URL(above.listener.url).port);
    await above.stop();
    above = await upper({ port });
    await until('it is polled', async () => /relay_held_polls 1/.test(await above.metrics.text()));
    const began = performance.now();
    await below.submit(spoolEntries(6, 5));
    await drained();
    expect(performance.now() - began).to.be.below(5000);
  });

  it('the parent is away and comes back as another process: numbers begin anew', async () => {
    await below.submit(spoolEntries(1, 5));
    await drained();
    const port = Number(new URL(above.listener.url).port);
    await above.stop();
    await below.submit(spoolEntries(6, 5));
    await until('it is noticed', () => below.uplink.status().connected === false);
    above = await upper({ port });
    await drained();
    expect(sequencesOf(above.handler.effects)).to.deep.equal([6, 7, 8, 9, 10]);
  });
});
