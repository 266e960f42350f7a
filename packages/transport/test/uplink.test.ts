import { until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, lower, type Upper, upper } from './support/hop.ts';
import { sequencesOf, spoolEntries } from './support/messages.ts';

describe('uplink and relay listener', () => {
  let above: Upper;
  let below: Lower;
  beforeEach(async () => {
    above = await upper();
    below = await lower({ parents: [{ url: above.listener.url }] });
  });
  afterEach(async () => {
    await below.stop();
    await above.stop();
  });

  it('carries a batch in one envelope, in order, and empties the spool by the verdicts', async () => {
    await below.submit(spoolEntries(1, 256));
    await until('the spool is empty', () => below.spool.depth().messages === 0);
    expect(above.handler.envelopes).to.deep.equal([256]);
    expect(sequencesOf(above.handler.effects)).to.deep.equal(Array.from({ length: 256 }, (_, i) => i + 1));
  });
});
