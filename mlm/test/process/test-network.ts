import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { identityOf, type TlsMaterial } from '@backhaul/identity';
import { BackhaulError, Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LaneQueue, LevelMailboxes, MemoryStore } from '@backhaul/spool';
import {
  type ArtifactFile,
  type DownwardHandler,
  type Peer,
  type RelayHandler,
  RelayListener,
  Uplink,
} from '@backhaul/transport';
import { MLM, PARENT, TRUST_DOMAIN } from '../test-mlm.ts';

const common = { clock: systemClock, random: systemRandom, logger: silentLogger, trustDomain: TRUST_DOMAIN } as const;

/** What stands above the MLM under test: keeps everything it is sent, hands down what it is given. */
export class TestParent implements RelayHandler {
  readonly received: Message[] = [];
  readonly artifacts = new Map<string, ArtifactFile>();
  /** artifacts handed out: SHA-256 and bytes */
  readonly served: { sha256: string; bytes: number }[] = [];
  readonly mailboxes: LevelMailboxes;
  #store = new MemoryStore();
  #listener: RelayListener;
  #duplicates = 0;
  #seen = new Set<string>();

  constructor(tls: TlsMaterial | 'plain', port = 0) {
    this.mailboxes = new LevelMailboxes({
      store: this.#store,
      prefix: 'm',
      quotaBytes: 1e8,
      quotaMessages: 1e5,
      ...common,
    });
    const metrics = new Metrics('appserver');
    this.#listener = new RelayListener({
      self: PARENT,
      host: '127.0.0.1',
      port,
      tls,
      handler: this,
      metrics,
      ...common,
    });
  }

  get url(): string {
    return this.#listener.url;
  }

  /** messages that arrived more than once; a retry after a lost answer is one, and does no harm */
  get duplicates(): number {
    return this.#duplicates;
  }

  async start(): Promise<void> {
    await this.#store.start();
    await this.mailboxes.load();
    await this.#listener.start();
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
    await this.#store.stop();
  }

  /** Puts a message into the mailbox of the MLM. */
  async send(...list: readonly Message[]): Promise<void> {
    for (const { header, headerBytes, body } of list) {
      const stored = { id: header.id, header: headerBytes, body, receivedAt: Date.now() };
      await commitChanges(this.#store, [this.mailboxes.stagePut([MLM], stored)]);
    }
  }

  /** Publishes random bytes; gives their SHA-256. */
  publish(directory: string, size: number): string {
    const bytes = randomBytes(size);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = join(directory, sha256);
    writeFileSync(path, bytes);
    this.artifacts.set(sha256, { path, size, sha256 });
    return sha256;
  }

  admit({ identity }: Peer): void {
    if (identity.id !== MLM) throw new BackhaulError('BH-E-ID-UNKNOWN');
  }

  async accept(_peer: Peer, list: readonly Message[]): Promise<readonly Verdict[]> {
    for (const message of list) {
      const { source, epoch, lane, sequence } = message.header;
      const identity = `${source}/${epoch}/${lane}/${sequence}`;
      if (this.#seen.has(identity)) this.#duplicates += 1;
      else this.received.push(message);
      this.#seen.add(identity);
    }
    return list.map(() => ({ accepted: true }));
  }

  marks(): readonly Mark[] {
    return [];
  }

  async artifact(_peer: Peer, sha256: string): Promise<ArtifactFile> {
    const found = this.artifacts.get(sha256);
    if (found === undefined) throw new BackhaulError('BH-E-BULK-GONE');
    return found;
  }

  artifactServed(_peer: Peer, sha256: string, bytes: number): void {
    this.served.push({ sha256, bytes });
  }
}

/** A child of the MLM: a spool in memory and a real uplink. */
export class TestChild implements DownwardHandler {
  readonly id: string;
  readonly received: Message[] = [];
  readonly removed: { sequence: number; code: string | undefined }[] = [];
  readonly uplink: Uplink;
  readonly spool: LaneQueue;
  readonly #store = new MemoryStore();
  #place = { epoch: '0', through: 0 };

  constructor(id: string, url: string, tls: TlsMaterial | 'plain') {
    this.id = id;
    this.spool = new LaneQueue({
      store: this.#store,
      clock: systemClock,
      prefix: 's',
      maxBytes: 1e9,
      maxMessages: 1e6,
    });
    this.uplink = new Uplink({
      ...{ self: identityOf(id, TRUST_DOMAIN), parents: [{ id: MLM, url }], tls, downward: this },
      ...{ store: this.#store, spool: this.spool, metrics: new Metrics('proxy'), ...common },
      onRemoved: (removed) => {
        this.removed.push(...removed.map(({ entry, code }) => ({ sequence: entry.sequence, code })));
        return { ops: [], applied: () => {} };
      },
    });
  }

  async start(): Promise<this> {
    await this.#store.start();
    await this.spool.load();
    await this.uplink.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.uplink.stop();
    await this.#store.stop();
  }

  async submit(list: readonly Message[]): Promise<void> {
    const entries = list.map(({ header, headerBytes, body }) => ({
      ...{ id: header.id, source: header.source, epoch: header.epoch, lane: header.lane, sequence: header.sequence },
      ...{ class: header.class, subclass: header.subclass, header: headerBytes, body },
      ...{ receivedAt: Date.now(), persistent: true },
    }));
    await commitChanges(this.#store, [this.spool.stage(entries)]);
  }

  get waiting(): number {
    return this.spool.depth().messages;
  }

  async receive(list: readonly Message[], mailbox: { epoch: string; through: number }): Promise<void> {
    this.received.push(...list);
    this.#place = mailbox;
  }

  acknowledged(): { epoch: string; through: number } {
    return this.#place;
  }
}
