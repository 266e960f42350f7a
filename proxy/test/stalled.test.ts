import { type EventContent, readContent } from '@backhaul/envelope';
import { Metrics, silentLogger, startAll, stopAll } from '@backhaul/runtime';
import { MemoryStore } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import type { UplinkStatus } from '@backhaul/transport';
import { expect } from 'chai';
import { acceptMessages } from '../src/accept/accept-path.ts';
import { proxyConfig } from '../src/config.ts';
import { type ProxyCore, proxyCore } from '../src/proxy-core.ts';
import { PARENT, PROXY, TRUST_DOMAIN } from './support/test-parent.ts';

describe('a part of a proxy that makes no progress', () => {
  const clock = new FakeClock();
  const metrics = new Metrics('proxy');
  let stalledAt: number | undefined;
  let receiveStalledAt: number | undefined;
  let store: MemoryStore;
  let core: ProxyCore;
  let components: Parameters<typeof startAll>[0];

  beforeEach(async () => {
    const parents = [{ id: PARENT, url: 'http://127.0.0.1:9' }];
    const config = { dataDirectory: '/none', trustDomain: TRUST_DOMAIN, parents, installer: { enabled: false } };
    [stalledAt, receiveStalledAt] = [undefined, undefined];
    store = new MemoryStore();
    core = proxyCore({
      ...{ self: PROXY, config: proxyConfig.parse(config), store, clock, random: seededRandom(1), metrics },
      logger: silentLogger,
      fetchArtifact: () => Promise.reject(new Error('there is no network')),
      uplink: () => ({ connected: true, parent: PARENT, backlog: 0, stalledAt, receiveStalledAt }) as UplinkStatus,
    });
    components = [store, core.state, ...core.timers];
    await startAll(components);
  });
  afterEach(async () => {
    const stopped = stopAll(components);
    await clock.advance(60_000);
    await stopped;
  });

  const notices = async () => {
    const found: string[] = [];
    for (;;) {
      const claim = await core.spool.claim({ maxMessages: 100, maxBytes: 1 << 20 });
      if (claim === undefined) return found;
      for (const { subclass, body } of claim.entries)
        if (subclass === 'notice') found.push((readContent(body) as EventContent).eventId);
    }
  };

  it('a sender is told upward once, and again when it happens again', async () => {
    await clock.advance(20_000);
    expect(await notices()).not.to.include('sender-stalled');
    for (let time = 0; time < 2; time++) {
      stalledAt = clock.now();
      await clock.advance(30_000);
      expect(await notices()).to.deep.equal(['sender-stalled']);
      stalledAt = undefined;
      await clock.advance(10_000);
    }
    expect(await metrics.text()).to.match(/backhaul_proxy_stalls_total\{part="sender"\} 2/);
  });

  it('what the parent sent and is not taken is told, too', async () => {
    receiveStalledAt = clock.now();
    await clock.advance(10_000);
    expect(core.watch.trouble).to.match(/what the parent sent is not taken/);
    expect(await notices()).to.include('sender-stalled');
  });

  it('a commit that hangs is noticed by what integrators sent, although nothing can be kept', async () => {
    const { id: integrator } = await core.registrar.registerIntegrator({ name: 'a', platform: 'p', version: '1' });
    const request = { integrator, platform: 'p', managementId: 'x', name: 'x', type: 'server' };
    const { id: instance } = await core.registrar.registerInstance(request);
    const { promise, resolve } = Promise.withResolvers<void>();
    const commit = store.commit.bind(store);
    store.commit = async (ops) => {
      await promise;
      await commit(ops);
    };
    const accepted = acceptMessages(core.accept, 'data', [{ instance, class: 'x-test', subclass: 's', data: 1 }]);
    await clock.advance(50_000);
    expect(core.watch.trouble).to.equal(undefined);
    await clock.advance(20_000);
    expect(core.watch.trouble).to.match(/has not been answered/);
    resolve();
    await accepted;
    await clock.advance(20_000);
    expect(core.watch.trouble).to.equal(undefined);
    expect(await notices()).to.include('sender-stalled');
  });
});
