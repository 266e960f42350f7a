import { Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { MemoryStore } from '@backhaul/spool';
import { acceptMessages } from '../../../proxy/src/accept/accept-path.ts';
import { proxyConfig } from '../../../proxy/src/config.ts';
import { proxyCore } from '../../../proxy/src/proxy-core.ts';
import { ProcessorTime } from '../measure/processor-time.ts';

/** Cost of a proxy's accept path for requests of 256 messages of 1 KB, in memory: `npm run bench -- accept`. */
const ROUNDS = 12;
const REQUESTS = 20;
const MESSAGES = 256;
const PARENT = 'c0000test.m1';

const store = new MemoryStore();
const { state, registrar, accept } = proxyCore({
  ...{ self: 'c0000test.p1', store, clock: systemClock, random: systemRandom, logger: silentLogger },
  ...{ metrics: new Metrics('proxy'), fetchArtifact: async () => {} },
  config: proxyConfig.parse({
    ...{ dataDirectory: '/none', trustDomain: 'test.example', parents: [{ id: PARENT, url: 'http://127.0.0.1:9' }] },
    spool: { maxBytes: 1e9, maxMessages: 1e6 },
  }),
  uplink: () => ({ parent: PARENT, backlog: 0, connected: true }),
});
await store.start();
await state.start();
const { id: integrator } = await registrar.registerIntegrator({ name: 'a', platform: 'p', version: '1' });
const about = { integrator, platform: 'p', managementId: 'm', name: 'm', type: 'host' };
const { id: instance } = await registrar.registerInstance(about);
const data = { text: 'x'.repeat(480) };
const body = JSON.stringify(
  Array.from({ length: MESSAGES }, () => ({ instance, class: 'x-load', subclass: 'message', data })),
);

const time = new ProcessorTime();
for (let round = 0; round < ROUNDS; round += 1)
  await time.of(REQUESTS * MESSAGES, async () => {
    for (let n = 0; n < REQUESTS; n += 1) await acceptMessages(accept, 'data', JSON.parse(body));
  });
console.log({ accepting: `${time} a message` });
