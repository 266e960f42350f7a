/**
 * Messages per second over one hop without stores: two processes, plain loopback, 256 messages of 1 KB an envelope.
 *   npm run bench -- hop [tls]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { identityOf } from '@backhaul/identity';
import { Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { type Claim, MemoryStore, type Spool, type SpoolEntry } from '@backhaul/spool';
import { TlsFixtures } from '@backhaul/testkit';
import { RelayListener, Uplink } from '@backhaul/transport';
import { MLM, PROXY, spoolEntries } from '../../../packages/transport/test/support/messages.ts';

const SECONDS = 4;
const BATCHES = 64;
const TRUST_DOMAIN = 'test.example';
const common = { clock: systemClock, random: systemRandom, logger: silentLogger };

async function receive(material: ConstructorParameters<typeof RelayListener>[0]['tls']): Promise<void> {
  const accepted = { accepted: true };
  const page = { epoch: '1', through: 0, messages: [] };
  const listener = new RelayListener({
    ...common,
    self: MLM,
    host: '127.0.0.1',
    port: 0,
    tls: material,
    trustDomain: TRUST_DOMAIN,
    metrics: new Metrics('mlm'),
    handler: {
      admit: () => {},
      accept: async (_peer, messages) => messages.map(() => accepted),
      marks: () => [],
      artifact: () => Promise.reject(new Error('none')),
      mailboxes: {
        acknowledge: async () => {},
        read: async () => page,
        wait: (_owner, waitMs, signal) => systemClock.sleep(waitMs, signal).then(() => false),
      },
    },
  });
  await listener.start();
  process.send?.({ url: listener.url });
  process.on('disconnect', () => process.exit());
}

/** Gives the same batches again and again, and counts what was settled. */
class EndlessSpool implements Pick<Spool, 'claim' | 'settle' | 'release' | 'ready' | 'depth' | 'noteParentTime'> {
  settled = 0;
  readonly #batches: readonly SpoolEntry[][];
  #next = 0;

  constructor(size: number) {
    this.#batches = Array.from({ length: BATCHES }, (_, i) => spoolEntries(1 + i * size, size, { bytes: 1024 }));
  }

  async claim(): Promise<Claim> {
    const entries = this.#batches[this.#next++ % BATCHES]!;
    return { lane: 6, entries, bytes: entries.length * 1500 };
  }

  settle(claim: Claim) {
    this.settled += claim.entries.length;
    return { change: { ops: [], applied: () => {} }, removed: [] };
  }

  release(): void {}
  noteParentTime(): void {}
  async ready(): Promise<void> {}
  depth() {
    return { messages: 0, bytes: 0, inFlight: 0, byLane: {}, deadLetters: 0, deadLettersDiscarded: 0 };
  }
}

async function send(): Promise<void> {
  const fixtures = process.argv.includes('tls') ? new TlsFixtures(TRUST_DOMAIN) : undefined;
  const material = fixtures?.component(MLM) ?? 'plain';
  const child = fork(new URL(import.meta.url), ['receive', JSON.stringify(material)], { execArgv: process.execArgv });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  const store = new MemoryStore();
  await store.start();
  for (const size of (process.env['SIZES'] ?? '256,16,1').split(',').map(Number)) {
    const spool = new EndlessSpool(size);
    const uplink = new Uplink({
      ...common,
      self: identityOf(PROXY, TRUST_DOMAIN),
      parents: [{ id: MLM, url }],
      tls: fixtures?.component(PROXY) ?? 'plain',
      store,
      spool: spool as unknown as Spool,
      downward: { receive: async () => {}, acknowledged: () => ({ epoch: '0', through: 0 }) },
      onRemoved: () => ({ ops: [], applied: () => {} }),
      metrics: new Metrics('proxy'),
    });
    await uplink.start();
    await systemClock.sleep(500);
    const [before, began, cpu] = [spool.settled, performance.now(), process.cpuUsage()];
    await systemClock.sleep(SECONDS * 1000);
    const seconds = (performance.now() - began) / 1000;
    const used = process.cpuUsage(cpu);
    const messages = spool.settled - before;
    console.log(
      JSON.stringify({
        batch: size,
        messagesPerSecond: Math.round(messages / seconds),
        senderCpuMicrosPerMessage: Number(((used.user + used.system) / messages).toFixed(1)),
      }),
    );
    await uplink.stop();
  }
  child.disconnect();
  fixtures?.remove();
}

if (process.argv[2] === 'receive') await receive(JSON.parse(process.argv[3]!));
else await send();
