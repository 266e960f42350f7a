import { expect } from 'chai';
import { Arrivals } from './arrivals.ts';
import { numberedMessage, numberOf } from './client-orders.ts';
import { produce } from './produce.ts';

describe('Clients of the peers', () => {
  it('messages of a kilobyte carry their number', () => {
    expect(numberedMessage(123_456)).to.have.length(1_000);
    expect(numberOf(numberedMessage(123_456))).to.equal(123_456);
  });

  it('a producer keeps its window: so many under way and not one more', async () => {
    let [underWay, most, sent] = [0, 0, 0];
    const send = async () => {
      sent += 1;
      most = Math.max(most, (underWay += 1));
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
    };
    await produce({ send }, 8, { from: 0, count: 100 });
    expect({ most, sent }).to.deep.equal({ most: 8, sent: 100 });
  });

  it('a producer that is paced waits for the clock and not for answers', async () => {
    const done = await produce({ send: () => new Promise((resolve) => setTimeout(resolve, 50)) }, 1, {
      ...{ from: 0, count: 10, perSecond: 200 },
    });
    expect(done.times).to.have.length(10);
    expect(done.times.at(-1)! - done.times[0]!).to.be.within(40, 500);
  });

  it('each number counts once, and only those of the order', async () => {
    const arrivals = new Arrivals();
    const all = arrivals.expect({ from: 10, count: 2, perSecond: 1 });
    for (const number of [9, 10, 10, 12, 11]) arrivals.arrived(numberedMessage(number));
    expect((await all).times).to.have.length(2);
  });
});
