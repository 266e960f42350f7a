import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { type Lower, lower, TRUST_DOMAIN, type Upper, upper } from './support/hop.ts';
import { PROXY, parts, sequencesOf, spoolEntries } from './support/messages.ts';
import { RawPeer } from './support/raw-request.ts';

describe('a plain link, on one trusted LAN', () => {
  leakCheck({ before, after });
  let above: Upper;
  const warnings: string[] = [];
  beforeEach(async () => {
    const nothing = (): void => {};
    const logger = {
      debug: nothing,
      info: nothing,
      error: nothing,
      child: () => logger,
      warn: (_: object, text: string) => warnings.push(text),
    };
    above = await upper({ tls: 'plain', logger });
  });
  afterEach(() => above.stop());

  it('says so in its log, and carries messages of who its peers say they are', async () => {
    expect(warnings.join()).to.include('without TLS');
    const below: Lower = await lower({ parents: [{ url: above.listener.url }], tls: 'plain' });
    await below.submit(spoolEntries(1, 3));
    await until('the spool is empty', () => below.spool.depth().messages === 0);
    expect(sequencesOf(above.handler.effects)).to.deep.equal([1, 2, 3]);
    above.handler.revoked.add(PROXY);
    await below.submit(spoolEntries(4, 1));
    await until('it is told', () => below.uplink.status().lastError?.code === 'BH-E-ID-REVOKED');
    await below.stop();
  });

  it('still wants a name that is one', async () => {
    const peer = new RawPeer(above.listener.url);
    expect((await peer.post([parts(1)])).code).to.equal('BH-E-ID-MISSING');
    const other = `spiffe://elsewhere.example/c12345678/proxy/${PROXY}`;
    expect((await peer.post([parts(1)], { 'backhaul-identity': other })).code).to.equal('BH-E-ID-NAME');
    const lie = `spiffe://${TRUST_DOMAIN}/c12345678/mlm/${PROXY}`;
    expect((await peer.post([parts(1)], { 'backhaul-identity': lie })).code).to.equal('BH-E-ID-NAME');
    peer.close();
  });

  it('is not made to an https parent', () => {
    const made = lower({ parents: [{ url: 'https://127.0.0.1:1' }], tls: 'plain' });
    return made.then(
      () => expect.fail('it was made'),
      (error) => expect(error.code).to.equal('BH-E-CONFIG'),
    );
  });
});
