import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  appendHop,
  type Content,
  type Destination,
  describeClass,
  type Header,
  type Hop,
  jsonData,
  type Lane,
  type Membership,
  type Message,
  readContent,
  readHeader,
  readReceipts,
  type Tombstone,
  type Verdict,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { identityOf } from '@backhaul/identity';
import { Metrics, newId, silentLogger } from '@backhaul/runtime';
import { commitChanges, MemoryStore, type SpoolEntry } from '@backhaul/spool';
import { FakeClock, seededRandom } from '@backhaul/testkit';
import type { Peer } from '@backhaul/transport';
import { mlmConfig } from '../src/config.ts';
import type { Relay } from '../src/forward/custody.ts';
import { type MlmCore, mlmCore } from '../src/mlm-core.ts';
import type { Fetch } from '../src/transfers/artifact-store.ts';

export const CUSTOMER = 'c0000test';
export const OTHER = 'c0000zzzz';
export const TRUST_DOMAIN = 'test.example';
export const MLM = `${CUSTOMER}.m1`;
export const PARENT = 'provider.a1';
export const PROXIES = [1, 2, 3].map((n) => `${CUSTOMER}.p${n}`);
export const [P1, P2, P3] = PROXIES as [string, string, string];
export const EPOCH = 'e'.repeat(16);
export const GROUP = 'site-a';

const random = seededRandom(7);
const idClock = new FakeClock();

export function component(
  id: string,
  over: Partial<Membership['components'][number]> = {},
): Membership['components'][number] {
  const { customer, kind } = identityOf(id, TRUST_DOMAIN);
  const asMember = kind === 'mlm' ? 'mlm' : 'proxy';
  return { id, kind: asMember, parent: MLM, customer, site: GROUP, state: 'active', ...over };
}

export function membership(version = 1, over: Partial<Membership> = {}): Membership {
  return { version, components: PROXIES.map((id) => component(id)), groups: { [GROUP]: PROXIES }, ...over };
}

export interface MessageOptions {
  source?: string;
  sequence?: number;
  epoch?: string;
  lane?: Lane;
  class?: string;
  subclass?: string;
  content?: Content;
  instance?: string;
  /** ms the message has to live */
  timeToLive?: number;
  routing?: readonly Hop[];
  destination?: Destination;
  id?: string;
  inReplyTo?: string;
}

export const sample = (value = 1): Content =>
  jsonData({ load1: value, cpuBusyFraction: 0.5, memoryUsedBytes: value * 100 });

/** A message as it arrives. Upward from P1, a performance sample, unless said. */
export function message(options: MessageOptions = {}): Message {
  const content = options.content ?? sample();
  const name = { class: options.class ?? 'performance', subclass: options.subclass ?? 'sample' };
  const about = describeClass(name.class, name.subclass, content);
  const lane = options.lane ?? about.lane;
  const { timeToLive, destination, instance, inReplyTo } = options;
  const header: Header = {
    id: options.id ?? newId(idClock, random),
    version: '1.0',
    locator: destination === undefined ? 'source' : 'destination',
    source: options.source ?? (destination === undefined ? P1 : PARENT),
    epoch: options.epoch ?? EPOCH,
    lane,
    sequence: options.sequence ?? 1,
    sourceVersion: '0.1.0',
    ...(instance === undefined ? {} : { instance }),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    classification: about.classification,
    ...name,
    contentType: content.type,
    madeAt: 1_700_000_000_000,
    qos: { precedence: lane, persistent: true, ...(timeToLive === undefined ? {} : { timeToLive }) },
    ...(destination === undefined ? {} : { destination }),
    routing: [],
  };
  let headerBytes = writeHeader(header);
  for (const hop of options.routing ?? []) headerBytes = appendHop(headerBytes, hop);
  return { header: readHeader(headerBytes), headerBytes, body: writeContent(content) };
}

/** Messages of one lane with sequences from `first`. */
export function messages(count: number, options: MessageOptions = {}, first = 1): Message[] {
  return Array.from({ length: count }, (_, i) => message({ ...options, sequence: first + i }));
}

export function peer(id: string): Peer {
  return { identity: identityOf(id, TRUST_DOMAIN), address: '127.0.0.1' };
}

export interface TestMlmOptions {
  modules?: readonly unknown[];
  membership?: Membership;
  config?: object;
  fetch?: Fetch;
}

/** An MLM without a network: its core on a store in memory, time by hand. */
export class TestMlm {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();
  readonly directory = mkdtempSync(join(tmpdir(), 'backhaul-mlm-'));
  readonly revoked: string[] = [];
  /** what was sent on at once, and what the parent says of it */
  readonly relayed: SpoolEntry[] = [];
  relay: Relay = async (entries) => {
    this.relayed.push(...entries);
    return entries.map(() => ({ accepted: true }));
  };
  core!: MlmCore;
  readonly #options: TestMlmOptions;
  #timers = false;

  constructor(options: TestMlmOptions = {}) {
    this.#options = options;
  }

  static async create(options: TestMlmOptions = {}): Promise<TestMlm> {
    const mlm = new TestMlm(options);
    await mlm.store.start();
    await mlm.#start();
    const first = mlm.core.membership.stage(options.membership ?? membership());
    if (first !== undefined) await commitChanges(mlm.store, [first.change]);
    return mlm;
  }

  /** What is not committed is lost, as by kill -9; then the same store again. */
  async crash(): Promise<void> {
    this.store.crash();
    await this.#stopTimers();
    await this.store.start();
    await this.#start();
  }

  /** Windows and transfers run by the clock. */
  async startTimers(): Promise<void> {
    this.#timers = true;
    await this.core.windows.start();
    await this.core.transfers.start();
  }

  async close(): Promise<void> {
    await this.#stopTimers();
    await this.core.modules.stop();
    await this.store.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  send(from: string, list: readonly Message[]): Promise<readonly Verdict[]> {
    this.core.handler.admit(peer(from));
    return this.core.handler.accept(peer(from), list);
  }

  /** What the parent sends, as one page of its mailbox. */
  async receive(list: readonly Message[], through = 1): Promise<void> {
    await this.core.downward.receive(list, { epoch: 'a'.repeat(16), through });
  }

  /** Takes everything out of the spool, as the parent would. */
  async forwarded(): Promise<Message[]> {
    const { spool } = this.core;
    await this.store.commit([]); // what was submitted is on disk, and visible
    const entries: SpoolEntry[] = [];
    for (let claim = await spool.claim(BUDGET); claim !== undefined; claim = await spool.claim(BUDGET)) {
      entries.push(...claim.entries);
      const { change } = spool.settle(
        claim,
        claim.entries.map(() => ({ outcome: 'accepted' as const })),
      );
      await commitChanges(this.store, [change]);
    }
    return entries.map(({ header, body }) => ({ header: readHeader(header), headerBytes: header, body }));
  }

  async mailbox(child: string): Promise<Message[]> {
    const page = await this.core.mailboxes.read(child, BUDGET);
    return page.messages.map(({ header, body }) => ({ header: readHeader(header), headerBytes: header, body }));
  }

  async #start(): Promise<void> {
    const config = mlmConfig.parse({
      dataDirectory: this.directory,
      parents: [{ id: PARENT, url: 'http://127.0.0.1:1' }],
      modules: this.#options.modules ?? [],
      transfers: { minFreeBytes: 0 },
      ...this.#options.config,
    });
    this.core = mlmCore({
      ...{ self: MLM, config, store: this.store, clock: this.clock, random, logger: silentLogger },
      metrics: new Metrics('mlm'),
      fetch: this.#options.fetch ?? (() => Promise.reject(new Error('no parent'))),
      relay: (entries) => this.relay(entries),
      parent: () => ({ connected: true }),
      onRevoked: (child) => this.revoked.push(child),
    });
    await this.core.state.start();
    await this.core.modules.start();
    if (this.#timers) await this.startTimers();
  }

  async #stopTimers(): Promise<void> {
    await this.core.windows.stop();
    await this.core.transfers.stop();
  }
}

const BUDGET = { maxMessages: 1000, maxBytes: 64 * 1024 * 1024 };

export function isReceipt({ header }: Message): boolean {
  return header.class === 'infrastructure' && header.subclass === 'receipt';
}

export function tombstones(list: readonly Message[]): Tombstone[] {
  return list.filter(isReceipt).flatMap(({ body }) => readReceipts(readContent(body)));
}

export function identities(list: readonly Message[]): string[] {
  return list.map(({ header }) => `${header.source}/${header.lane}/${header.sequence}`);
}
