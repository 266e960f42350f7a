import { toMessage, writeContent } from '@backhaul/envelope';
import { message, P1, TestMlm } from '../../../mlm/test/test-mlm.ts';

/** Cost of the forward path for envelopes of 256 messages of 1 KB, in memory: `npm run bench -- forward-path`. */
const ENVELOPES = 60;
const MESSAGES = 256;
const body = writeContent({ type: 'data', mimeType: 'text/plain', encoding: 'none', text: 'x'.repeat(900) });
const modules = [
  { use: 'filter', rules: [{ class: 'performance', subclass: 'interface' }] },
  { use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 10_000 }] },
  { use: 'throttle', rules: [{ class: 'performance', messagesPerSecond: 20 }] },
];

const mlm = await TestMlm.create({ modules, config: { spool: { maxBytes: 1e9, maxMessages: 1e6 } } });
const envelopes = Array.from({ length: ENVELOPES }, (_, e) =>
  Array.from({ length: MESSAGES }, (_, i) => {
    const { headerBytes, header } = message({ sequence: e * MESSAGES + i + 1, class: 'os-packages', subclass: 'list' });
    return { id: header.id, headerBytes, body };
  }),
);
let reading = 0;
let forwarding = 0;
for (const [index, raw] of envelopes.entries()) {
  const begun = performance.now();
  const list = raw.map(toMessage);
  const read = performance.now();
  await mlm.send(P1, list);
  if (index < 10) continue; // warm
  reading += read - begun;
  forwarding += performance.now() - read;
}
const perMessage = (ms: number) => `${((ms * 1000) / ((ENVELOPES - 10) * MESSAGES)).toFixed(1)} µs a message`;
console.log({ reading: perMessage(reading), forwarding: perMessage(forwarding), commits: mlm.store.stats() });
await mlm.close();
