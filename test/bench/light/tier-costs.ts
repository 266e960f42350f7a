import type { RawMessage } from '@backhaul/envelope';
import { quantile } from '../measure/in-turns.ts';
import { cpuSeconds } from '../measure/process-figures.ts';
import { monotonicMs } from './crowd.ts';
import { LightProxy } from './light-proxy.ts';
import { upwardMessage } from './messages.ts';
import { MlmRow } from './mlm-row.ts';
import { localAddressOf, proxyId, TRUST_DOMAIN } from './names.ts';
import { StandInParent } from './stand-in-parent.ts';

/** As many envelopes under way as one child may have. */
const SENDERS = 8;
const BATCH = 256;
const WITHIN_MS = 120_000;

export interface TierCosts {
  readonly mlms: number;
  /** processor of all MLMs, µs a message, in envelopes of 256 */
  readonly batchedCpuMicros: number;
  /** … one at a time, each on its own */
  readonly singleCpuMicros: number;
  /** of a message alone, from the call to the arrival above, ms */
  readonly p50: number;
  readonly p99: number;
}

/** What messages cost on their way up through so many MLMs. */
export async function tierCosts(mlms: number, singles: number, batches: number): Promise<TierCosts> {
  const parent = await new StandInParent().start();
  let row: MlmRow | undefined;
  const senders: LightProxy[] = [];
  try {
    row = await MlmRow.start({ tiers: mlms, proxies: SENDERS, parentUrl: parent.url });
    for (let at = 0; at < SENDERS; at += 1) senders.push(await sender(at, row.lowestUrl));
    const climb = new Climb(parent, row, senders);
    await climb.batched(batches); // cold code
    const batchedCpuMicros = await climb.batched(batches);
    await climb.oneByOne(Math.ceil(singles / 4));
    const alone = await climb.oneByOne(singles);
    return { mlms, batchedCpuMicros, ...alone };
  } finally {
    for (const one of senders) one.stop();
    await row?.stop();
    await parent.stop();
  }
}

async function sender(at: number, parentUrl: string): Promise<LightProxy> {
  const about = { id: proxyId(at), trustDomain: TRUST_DOMAIN, parentUrl, localAddress: localAddressOf(at) };
  const proxy = new LightProxy({ ...about, onMessages: () => {} });
  await proxy.start();
  return proxy;
}

class Climb {
  readonly #row: MlmRow;
  readonly #senders: readonly LightProxy[];
  readonly #sequences: number[];
  #wanted = Number.POSITIVE_INFINITY;
  #came = 0;
  #enough: (at: number) => void = () => {};

  constructor(parent: StandInParent, row: MlmRow, senders: readonly LightProxy[]) {
    this.#row = row;
    this.#senders = senders;
    this.#sequences = senders.map(() => 0);
    parent.onMessage = ({ header }) => {
      if (header.class === 'x-load' && ++this.#came === this.#wanted) this.#enough(monotonicMs());
    };
  }

  async oneByOne(count: number): Promise<Pick<TierCosts, 'singleCpuMicros' | 'p50' | 'p99'>> {
    const cpuBefore = cpuSeconds(this.#row.pids);
    const times: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const [message] = this.#make(0, 1);
      const arrived = this.#arrival(1);
      const from = monotonicMs();
      await this.#senders[0]!.send([message!]);
      times.push((await arrived) - from);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const singleCpuMicros = ((cpuSeconds(this.#row.pids) - cpuBefore) * 1e6) / count;
    return { singleCpuMicros, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  }

  /** Processor of all MLMs, µs a message. */
  async batched(batches: number): Promise<number> {
    const envelopes = this.#senders.map((_, at) => Array.from({ length: batches }, () => this.#make(at, BATCH)));
    const messages = batches * this.#senders.length * BATCH;
    const arrived = this.#arrival(messages);
    const cpuBefore = cpuSeconds(this.#row.pids);
    await Promise.all(
      this.#senders.map(async (proxy, at) => {
        for (const envelope of envelopes[at]!) await proxy.send(envelope);
      }),
    );
    await arrived;
    return ((cpuSeconds(this.#row.pids) - cpuBefore) * 1e6) / messages;
  }

  #make(sender: number, count: number): RawMessage[] {
    const { id } = this.#senders[sender]!;
    return Array.from({ length: count }, () => upwardMessage(id, ++this.#sequences[sender]!));
  }

  #arrival(count: number): Promise<number> {
    this.#wanted = this.#came + count;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('messages did not arrive above in time')), WITHIN_MS);
      this.#enough = (at) => {
        clearTimeout(late);
        resolve(at);
      };
    });
  }
}
