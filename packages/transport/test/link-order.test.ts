import { FakeClock, settle } from '@backhaul/testkit';
import { LINK_WAIT_MS, LinkOrder } from '@backhaul/transport';
import { expect } from 'chai';

const SESSION = '0123456789abcdef';
const number = (n: number, session = SESSION) => ({ session, number: n });

describe('link order', () => {
  let clock: FakeClock;
  let order: LinkOrder;
  let done: string[];
  beforeEach(() => {
    clock = new FakeClock();
    order = new LinkOrder({ clock });
    done = [];
  });

  const handle = async (n: number, until: Promise<void> = Promise.resolve()): Promise<void> => {
    const leave = await order.enter('p', number(n));
    done.push(`begin ${n}`);
    await until;
    done.push(`end ${n}`);
    leave();
  };
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'passed',
      (error) => error.code,
    );

  it('handles numbers in order, however they arrive, one at a time', async () => {
    const work = [3, 1, 2].map((n) => handle(n, settle()));
    await Promise.all(work);
    expect(done).to.deep.equal(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
    expect(clock.pending).to.equal(0);
  });

  it('refuses a number whose predecessor does not come, after ten seconds', async () => {
    const outcome = codeOf(order.enter('p', number(2)));
    await clock.advance(LINK_WAIT_MS - 1);
    expect(clock.pending).to.equal(1);
    await clock.advance(1);
    expect(await outcome).to.equal('BH-E-LINK-ORDER');
  });

  it('stops waiting when the client goes away', async () => {
    const gone = new AbortController();
    const outcome = codeOf(order.enter('p', number(2), gone.signal));
    gone.abort();
    expect(await outcome).to.equal('BH-E-LINK-ORDER');
    expect(clock.pending).to.equal(0);
  });

  it('lets a repeat of a number that is done pass at once', async () => {
    await handle(1);
    await handle(2);
    await handle(1);
    await handle(3);
    expect(done.filter((line) => line === 'begin 1')).to.have.length(2);
    expect(done.at(-1)).to.equal('end 3');
  });

  it('refuses the number that is being handled, and the one that waits already', async () => {
    const leave = await order.enter('p', number(1));
    const second = order.enter('p', number(2));
    expect(await codeOf(order.enter('p', number(1)))).to.equal('BH-E-LINK-ORDER');
    expect(await codeOf(order.enter('p', number(2)))).to.equal('BH-E-LINK-ORDER');
    order.skip('p', number(2)); // what the refusal of the repeat brings with it
    leave();
    (await second)();
    await handle(3);
  });

  it('does not wait for a number that was refused before its turn', async () => {
    const third = handle(3);
    order.skip('p', number(2));
    await handle(1);
    await third;
    expect(done.at(-1)).to.equal('end 3');
  });

  it('refuses at once what no window of a fresh session can hold: the parent was restarted', async () => {
    expect(await codeOf(order.enter('p', number(57)))).to.equal('BH-E-LINK-ORDER');
    expect(clock.pending).to.equal(0);
  });

  it('remembers eight sessions of a peer, and refuses a ninth while all are at work', async () => {
    const sessions = Array.from({ length: 8 }, (_, i) => `${i}`.padStart(16, '0'));
    const leaves = await Promise.all(sessions.map((session) => order.enter('p', number(1, session))));
    expect(await codeOf(order.enter('p', number(1)))).to.equal('BH-E-BUSY');
    expect(await codeOf(order.enter('another', number(1)))).to.equal('passed');
    leaves[3]!();
    expect(await codeOf(order.enter('p', number(1)))).to.equal('passed');
  });

  it('keeps sessions and peers apart', async () => {
    await order.enter('p', number(1));
    expect(await codeOf(order.enter('q', number(1)))).to.equal('passed');
    expect(await codeOf(order.enter('p', number(1, 'fedcba9876543210')))).to.equal('passed');
  });
});
