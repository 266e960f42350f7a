import { type EventContent, readContent } from '@backhaul/envelope';
import { Metrics, silentLogger, startAll, stopAll } from '@backhaul/runtime';
import { MemoryStore } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import type { UplinkStatus } from '@backhaul/transport';
import { expect } from 'chai';
import { proxyConfig } from '../src/config.ts';
import { type ProxyCore, proxyCore } from '../src/proxy-core.ts';
import { PARENT, PROXY, TRUST_DOMAIN } from './support/test-parent.ts';

describe('a sender of a proxy that makes no progress', () => {
  const clock = new FakeClock();
  const metrics = new Metrics('proxy');
  let stalledAt: number | undefined;
  let core: ProxyCore;
  let components: Parameters<typeof startAll>[0];

  beforeEach(async () => {
    const parents = [{ id: PARENT, url: 'http://127.0.0.1:9' }];
    const config = { dataDirectory: '/none', trustDomain: TRUST_DOMAIN, parents, installer: { enabled: false } };
    const store = new MemoryStore();
    core = proxyCore({
      ...{ self: PROXY, config: proxyConfig.parse(config), store, clock, random: seededRandom(1), metrics },
      logger: silentLogger,
      fetchArtifact: () => Promise.reject(new Error('there is no network')),
      uplink: () => ({ connected: true, parent: PARENT, backlog: 0, stalledAt }) as UplinkStatus,
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

  it('is told upward once, and again when it happens again', async () => {
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
});
