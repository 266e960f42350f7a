import { toMessage, writeContent } from '@backhaul/envelope';
import { message, P1, TestMlm } from '../../../mlm/test/test-mlm.ts';
import { ProcessorTime } from '../measure/processor-time.ts';

/** Cost of the forward path for envelopes of 256 messages of 1 KB, in memory: `npm run bench -- forward-path`. */
const ENVELOPES = 120;
/** Envelopes measured together: the median round counts. */
const ROUND = 20;
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
const [reading, forwarding] = [new ProcessorTime(), new ProcessorTime()];
for (let at = 0; at < ENVELOPES; at += ROUND) {
  const lists: ReturnType<typeof toMessage>[][] = [];
  const round = envelopes.slice(at, at + ROUND);
  await reading.of(ROUND * MESSAGES, async () => void lists.push(...round.map((raw) => raw.map(toMessage))));
  await forwarding.of(ROUND * MESSAGES, async () => {
    for (const list of lists) await mlm.send(P1, list);
  });
}
console.log({
  reading: `${reading} a message`,
  forwarding: `${forwarding} a message`,
  commits: mlm.store.stats(),
});
await mlm.close();
