import { Metrics, silentLogger } from '@backhaul/runtime';
import { MemoryStore } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import { expect } from 'chai';
import { acceptMessages } from '../src/accept/accept-path.ts';
import { proxyConfig } from '../src/config.ts';
import { Expiry } from '../src/outbox/expiry.ts';
import { proxyCore } from '../src/proxy-core.ts';
import { PARENT, PROXY, TRUST_DOMAIN } from './support/test-parent.ts';

describe('expiry at a proxy', () => {
  it('that fails for ever is told as a warning, once a minute, and holds up nothing else', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore();
    const metrics = new Metrics('proxy');
    const parents = [{ id: PARENT, url: 'http://127.0.0.1:9' }];
    const core = proxyCore({
      ...{ self: PROXY, store, clock, random: seededRandom(1), logger: silentLogger, metrics },
      config: proxyConfig.parse({ dataDirectory: '/none', trustDomain: TRUST_DOMAIN, parents }),
      fetchArtifact: async () => {},
      uplink: () => ({ parent: PARENT, backlog: 0, connected: true }),
    });
    await store.start();
    await core.state.start();
    const { id: integrator } = await core.registrar.registerIntegrator({ name: 'a', platform: 'p', version: '1' });
    const request = { integrator, platform: 'p', managementId: 'x', name: 'x', type: 'server' };
    const { id: instance } = await core.registrar.registerInstance(request);
    await acceptMessages(core.accept, 'data', [
      { instance, class: 'x-test', subclass: 's', data: 1, expiresInMs: 1_000 },
    ]);
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, text: string) => void warned.push(text) };
    const board = {
      expired: () => {
        throw new Error('it cannot be said what has expired');
      },
    };
    const parts = { ...core, store, clock, logger, metrics: core.metrics, board: board as never };
    const expiry = new Expiry(parts);
    await expiry.start();
    await clock.advance(50_000);
    expect(warned).to.deep.equal(['what is past its time stays until the store takes changes again']);
    expect(await metrics.text()).to.match(/backhaul_proxy_expired_total 1/);
    await clock.advance(60_000);
    expect(warned).to.have.length(2);
    await expiry.stop();
    await store.stop();
  });
});
