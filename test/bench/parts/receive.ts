// Messages a second that receiver and store take, without the network: `npm run bench -- receive`
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityOf } from '@backhaul/identity';
import { openReceiver } from '../../../appserver/test/support/open-receiver.ts';
import { Sender } from '../../../appserver/test/support/sender.ts';
import { ProcessorTime } from '../measure/processor-time.ts';

const ENVELOPES = 160;
const MESSAGES = 256;
const IN_FLIGHT = 4;
/** Envelopes measured together: the median round counts. */
const ROUND = 20;

const folder = mkdtempSync(join(tmpdir(), 'backhaul-bench-'));
const { database, directory, receiver } = await openReceiver(folder);
const { id: customer } = await directory.addCustomer('Bench');
await directory.addSite(customer, 'bench');
const [mlm, proxy] = await directory.ensureComponents({ customer, site: 'bench', mlms: 1, proxies: 1 });
const peer = { identity: identityOf(mlm!.id, 'test.example'), address: '' };
const source = new Sender(proxy!.id);
const body = Buffer.alloc(1024, 'x');
const options = { class: 'performance', subclass: 'sample', instance: source.instance, body };
const envelopes = Array.from({ length: ENVELOPES }, () =>
  Array.from({ length: MESSAGES }, () => source.data({}, options)),
);

const before = database.stats().commits;
const began = performance.now();
const time = new ProcessorTime();
for (let at = 0; at < ENVELOPES; at += ROUND) {
  const queue = envelopes.slice(at, at + ROUND).values();
  const sender = async () => {
    for (const envelope of queue) await receiver.accept(peer, envelope);
  };
  await time.of(ROUND * MESSAGES, () => Promise.all(Array.from({ length: IN_FLIGHT }, sender)));
}
const seconds = (performance.now() - began) / 1_000;
const messages = ENVELOPES * MESSAGES;
console.log(
  JSON.stringify({
    messagesPerSecond: Math.round(messages / seconds),
    receiving: `${time} a message`,
    commits: database.stats().commits - before,
    storeMiB: Math.round(database.stats().bytes / 2 ** 20),
    residentMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
  }),
);
await receiver.stop();
await database.stop();
rmSync(folder, { recursive: true });
