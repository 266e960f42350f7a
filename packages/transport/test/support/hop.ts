import { identityOf, type TlsMaterial } from '@backhaul/identity';
import { Metrics, type Random, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, MemoryStore, type Removed, type SpoolEntry } from '@backhaul/spool';
import { TlsFixtures } from '@backhaul/testkit';
import {
  type DownwardHandler,
  RelayListener,
  type RelayListenerOptions,
  Uplink,
  type UplinkOptions,
} from '@backhaul/transport';
import { MLM, PROXY } from './messages.ts';
import { RecordingHandler } from './recording-handler.ts';

let fixtures: TlsFixtures | undefined;

/** One throwaway authority for all tests of a run. */
export function certificates(): TlsFixtures {
  if (!fixtures) {
    fixtures = new TlsFixtures();
    process.once('exit', () => fixtures?.remove());
  }
  return fixtures;
}

export const TRUST_DOMAIN = 'test.example';

export interface Upper {
  readonly handler: RecordingHandler;
  readonly listener: RelayListener;
  readonly metrics: Metrics;
  stop(): Promise<void>;
}

/** The receiving side: a listener with a recording handler. */
export async function upper(options: Partial<RelayListenerOptions> = {}): Promise<Upper> {
  const handler = new RecordingHandler();
  const self = options.self ?? MLM;
  const metrics = new Metrics('mlm');
  const listener = new RelayListener({
    self,
    host: '127.0.0.1',
    port: 0,
    tls: options.tls ?? certificates().component(self),
    trustDomain: TRUST_DOMAIN,
    handler,
    clock: systemClock,
    logger: silentLogger,
    metrics,
    ...options,
  });
  await handler.start();
  await listener.start();
  return {
    handler,
    listener,
    metrics,
    stop: async () => {
      await listener.stop();
      await handler.stop();
    },
  };
}

/** Takes what comes down, and remembers how far. */
export class RecordingDownward implements DownwardHandler {
  readonly received: string[] = [];
  failing = false;
  takesMs = 0;
  #place: { epoch: string; through: number };

  constructor(place = { epoch: '0', through: 0 }) {
    this.#place = place;
  }

  async receive(messages: Parameters<DownwardHandler['receive']>[0], mailbox: { epoch: string; through: number }) {
    if (this.failing) throw new Error('the store is away');
    if (this.takesMs > 0) await new Promise((resolve) => setTimeout(resolve, this.takesMs));
    this.received.push(...messages.map((message) => message.header.id));
    this.#place = mailbox;
  }

  acknowledged(): { epoch: string; through: number } {
    return this.#place;
  }
}

export interface Lower {
  readonly uplink: Uplink;
  readonly spool: LaneQueue;
  readonly downward: RecordingDownward;
  readonly removed: Removed[];
  readonly metrics: Metrics;
  submit(entries: readonly SpoolEntry[]): Promise<void>;
  stop(): Promise<void>;
}

export interface LowerOptions extends Partial<Omit<UplinkOptions, 'parents'>> {
  readonly parents: readonly { id?: string; url: string }[];
  readonly id?: string;
  /** what was received last in an earlier life */
  readonly acknowledged?: { epoch: string; through: number };
  readonly random?: Random;
  readonly tls?: TlsMaterial | 'plain';
}

/** The sending side: a spool in memory and an uplink. */
export async function lower(options: LowerOptions): Promise<Lower> {
  const id = options.id ?? PROXY;
  const clock = options.clock ?? systemClock;
  const store = new MemoryStore();
  const spool = new LaneQueue({ store, clock, prefix: 'spool', maxBytes: 1 << 30, maxMessages: 1_000_000 });
  await store.start();
  await spool.load();
  const removed: Removed[] = [];
  const downward = new RecordingDownward(options.acknowledged);
  const metrics = new Metrics('proxy');
  const uplink = new Uplink({
    self: identityOf(id, TRUST_DOMAIN),
    store,
    spool,
    downward,
    onRemoved: (gone) => {
      removed.push(...gone);
      return { ops: [], applied: () => {} };
    },
    clock,
    random: systemRandom,
    logger: silentLogger,
    metrics,
    ...options,
    tls: options.tls ?? certificates().component(id),
    parents: options.parents.map((parent) => ({ id: MLM, ...parent })),
  });
  await uplink.start();
  return {
    ...{ uplink, spool, downward, removed, metrics },
    submit: (entries) => commitChanges(store, [spool.stage(entries)]),
    stop: async () => {
      await uplink.stop();
      await store.stop();
    },
  };
}
