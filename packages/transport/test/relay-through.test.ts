import { BackhaulError } from '@backhaul/runtime';
import { freePort, leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, lower, type Upper, upper } from './support/hop.ts';
import { sequencesOf, spoolEntries, spoolEntry } from './support/messages.ts';

const codeOf = async (promise: Promise<unknown>): Promise<BackhaulError> =>
  promise.then(
    () => expect.fail('it was accepted'),
    (thrown) => thrown as BackhaulError,
  );

describe('relay, outside the spool', () => {
  leakCheck({ before, after });
  let above: Upper;
  let below: Lower;

  beforeEach(async () => {
    above = await upper();
    below = await lower({ parents: [{ url: above.listener.url }] });
    await until('greeted', () => below.uplink.status().connected);
  });
  afterEach(async () => {
    await below.stop();
    await above.stop();
  });

  it('tells what the parent says of each, and keeps nothing', async () => {
    above.handler.judge = ({ header: { sequence } }) =>
      sequence === 2 ? { accepted: false, code: 'BH-E-SPOOF', retryable: false } : { accepted: true };
    const verdicts = await below.uplink.relay(spoolEntries(1, 3));
    expect(verdicts.map(({ accepted, code }) => code ?? accepted)).to.deep.equal([true, 'BH-E-SPOOF', true]);
    expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 3]);
    expect(below.spool.depth().messages).to.equal(0);
  });

  it('sends more than one envelope holds in several, in order', async () => {
    const verdicts = await below.uplink.relay(spoolEntries(1, 600));
    expect(verdicts.every(({ accepted }) => accepted)).to.equal(true);
    expect(above.handler.envelopes).to.deep.equal([256, 256, 88]);
    expect(sequencesOf(above.handler.effects)).to.deep.equal(Array.from({ length: 600 }, (_, i) => i + 1));
  });

  it('what came after a refusal of the whole is refused retryably; what was accepted stays so', async () => {
    above.handler.before = async () => {
      if (above.handler.envelopes.length > 1) throw new BackhaulError('BH-E-SPOOL-FULL', { retryAfterMs: 700 });
    };
    const verdicts = await below.uplink.relay(spoolEntries(1, 300));
    expect(verdicts.filter(({ accepted }) => accepted)).to.have.length(256);
    expect(verdicts.at(-1)).to.deep.include({ code: 'BH-E-SPOOL-FULL', retryable: true, waitMs: 700 });
    const whole = await codeOf(below.uplink.relay(spoolEntries(301, 1)));
    expect(whole).to.include({ code: 'BH-E-PARENT-UNREACHABLE', retryable: true });
  });

  it('narrows a refusal of the content down to the one message', async () => {
    const long = Buffer.alloc(16_384 - spoolEntry(3).header.length - 20, 'x');
    const header = Buffer.from(Buffer.from(spoolEntry(3).header).toString().replace('</header>', `${long}</header>`));
    const verdicts = await below.uplink.relay([spoolEntry(1), { ...spoolEntry(3), header }, spoolEntry(4)]);
    expect(verdicts.map(({ accepted, code }) => code ?? accepted)).to.deep.equal([true, 'BH-E-LIMIT-HEADER', true]);
  });

  it('refuses at once while the parent is not there, with a wait', async () => {
    const away = await lower({ parents: [{ url: `https://127.0.0.1:${await freePort()}` }] });
    const began = performance.now();
    const error = await codeOf(away.uplink.relay(spoolEntries(1, 1)));
    expect(performance.now() - began).to.be.below(200);
    expect(error).to.include({ code: 'BH-E-PARENT-UNREACHABLE', retryable: true });
    expect(error.retryAfterMs).to.be.at.least(1000);
    await away.stop();
  });

  it('ends when its sender goes away, and the line goes on', async () => {
    let entered = false;
    above.handler.before = () => {
      entered = true;
      return new Promise((resolve) => setTimeout(resolve, 300));
    };
    const gone = new AbortController();
    const relayed = codeOf(below.uplink.relay(spoolEntries(1, 1), { signal: gone.signal }));
    await until('it is under way', () => entered);
    gone.abort();
    expect(await relayed).to.include({ retryable: true });
    expect(below.uplink.status().connected).to.equal(true);
    expect((await below.uplink.relay(spoolEntries(1, 2))).map(({ accepted }) => accepted)).to.deep.equal([true, true]);
    expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 2]);
  });

  it('shares the line with the spool', async () => {
    await below.submit(spoolEntries(1, 500));
    const verdicts = await Promise.all([1, 2, 3, 4].map((n) => below.uplink.relay(spoolEntries(1000 + n, 1))));
    expect(verdicts.flat().every(({ accepted }) => accepted)).to.equal(true);
    await until('the spool is empty', () => below.spool.depth().messages === 0);
    expect(above.handler.effects).to.have.length(504);
  });
});
