import { Metrics, silentLogger, systemRandom } from '@backhaul/runtime';
import { MemoryStore } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { acceptMessages } from '../src/accept/accept-path.ts';
import { proxyConfig } from '../src/config.ts';
import { proxyCore } from '../src/proxy-core.ts';
import { PARENT, PROXY, TRUST_DOMAIN } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const data = (instance: string) => ({ instance, class: 'x-test', subclass: 's', data: 1 });

/** The store meets a write error and loads again. */
async function breakOnce(store: MemoryStore): Promise<void> {
  store.failWrites(1);
  await store.commit([{ type: 'put', key: 'x', value: Buffer.of(1) }]).catch(() => undefined);
}

describe('a proxy whose store is reopened', () => {
  it('knows all the while what is registered', async () => {
    const store = new MemoryStore();
    const parents = [{ id: PARENT, url: 'http://127.0.0.1:9' }];
    const { state, registrar, accept } = proxyCore({
      ...{ self: PROXY, store, clock: new FakeClock(), random: systemRandom, logger: silentLogger },
      ...{ metrics: new Metrics('proxy'), fetchArtifact: async () => {} },
      config: proxyConfig.parse({ dataDirectory: '/none', trustDomain: TRUST_DOMAIN, parents }),
      uplink: () => ({ parent: PARENT, backlog: 0, connected: true }),
    });
    await store.start();
    const told = new Set<string>();
    let probing = Promise.resolve();
    let instance = '';
    const submit = async () => {
      const answer = acceptMessages(accept, 'data', [data(instance)]).then(({ verdicts: [verdict] }) => verdict);
      const verdict = await answer.catch((error) => ({ accepted: false as const, error }));
      if (verdict?.accepted === false) told.add(verdict.error.code);
    };
    const probe = async () => {
      while (store.state !== 'open') await submit();
    };
    store.onReopened(async () => {
      probing = probe();
    });
    await state.start();
    const { id: integrator } = await registrar.registerIntegrator({ name: 'a', platform: 'p', version: '1' });
    const request = { integrator, platform: 'p', managementId: 'x', name: 'x', type: 'server' };
    ({ id: instance } = await registrar.registerInstance(request));
    await breakOnce(store);
    await until('it is open again', () => store.state === 'open');
    await probing;
    expect([...told]).to.deep.equal(['BH-E-SPOOL-STOPPED']);
    await store.stop();
  });

  it('asks integrators to wait, whatever they want; its status is told', async () => {
    const store = new MemoryStore();
    const proxy = await TestProxy.start({ store });
    try {
      const { integrator, instance } = await proxy.register();
      let reopen: (() => void) | undefined;
      store.onReopened(() => new Promise((resolve) => (reopen = resolve)));
      await breakOnce(store);
      await until('it is being loaded', () => reopen !== undefined);
      const answers = [
        await proxy.post('/v1/integrators', { name: 'other', platform: 'snmp', version: '1.0' }),
        await proxy.get('/v1/instances'),
        await proxy.post('/v1/heartbeats', { integrator }),
        await proxy.post('/v1/data', data(instance)),
        await proxy.get(`/v1/commands?integrator=${integrator}`),
        await proxy.post(`/v1/commands/${'0'.repeat(26)}/response`, { status: 'done' }),
        await proxy.get(`/v1/notices?integrator=${integrator}`),
      ];
      for (const { status, body, headers } of answers) {
        expect({ status, code: body.code }).to.deep.equal({ status: 503, code: 'BH-E-SPOOL-STOPPED' });
        expect(headers).to.have.property('retry-after');
      }
      expect((await proxy.get('/v1/status')).body.store.state).to.equal('recovering');
      reopen?.();
      await until('it is open again', () => store.state === 'open');
      expect((await proxy.post('/v1/data', data(instance))).status).to.equal(202);
    } finally {
      await proxy.stop();
    }
  });
});
