import { uriSan } from '@backhaul/identity';
import { loadConfig } from '@backhaul/runtime';
import { expect } from 'chai';
import { request } from 'undici';
import { appserverConfig } from '../src/index.ts';
import { TestAppserver } from './support/test-appserver.ts';

const load = (relay: object) =>
  loadConfig(appserverConfig, { env: {}, overrides: { dataDirectory: '/nowhere', trustDomain: 'here', relay } });

describe('Relay listener of the application server without TLS', () => {
  it('is for loopback only', () => {
    expect(load({ plain: true }).relay.plain).to.equal(true);
    expect(load({ plain: true, host: '127.0.0.5' }).relay.plain).to.equal(true);
    for (const host of ['0.0.0.0', '192.0.2.1', '::', 'relay.example'])
      expect(() => load({ plain: true, host }), host)
        .to.throw('BH-E-CONFIG')
        .with.property('detail')
        .that.includes('relay.plain');
    expect(load({ host: '0.0.0.0' }).relay.plain).to.equal(false);
  });

  it('says so in the log, and hears whom it knows by its own word', async () => {
    const warned: string[] = [];
    const log = { info() {}, error() {}, debug() {}, warn: (_: object, text: string) => void warned.push(text) };
    const logger = { ...log, child: () => logger };
    const test = await TestAppserver.create({ config: { relay: { port: 0, plain: true } }, logger });
    try {
      const { mlms } = await test.addSite();
      const codeFor = async (id: string) => {
        const reply = await request(`${test.appserver.relay.url}/v1/envelopes`, {
          method: 'POST',
          headers: { 'backhaul-identity': uriSan(test.peer(id).identity), 'content-type': 'text/plain' },
          body: 'no envelope',
        });
        return ((await reply.body.json()) as { code: string }).code;
      };
      expect(test.appserver.relay.url).to.match(/^http:/);
      expect(await codeFor(mlms[0]!), 'heard, and judged by what it sent').to.equal('BH-E-VERSION');
      expect(await codeFor(mlms[0]!.replace(/m1$/, 'm99'))).to.equal('BH-E-ID-UNKNOWN');
      expect(warned.join()).to.include('without TLS');
    } finally {
      await test.stop();
    }
  });
});
