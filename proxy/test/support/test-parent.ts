import {
  type Content,
  type Header,
  type Mark,
  type Message,
  readContent,
  type Verdict,
  WIRE_VERSION,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { BackhaulError, Metrics, newId, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LevelMailboxes, MemoryStore, SeenIntervals } from '@backhaul/spool';
import { until } from '@backhaul/testkit';
import { type ArtifactFile, type Peer, type RelayHandler, RelayListener } from '@backhaul/transport';

export const TRUST_DOMAIN = 'test.example';
export const PARENT = 'c12345678.m1';
export const PROXY = 'c12345678.p1';

export interface Received {
  readonly header: Header;
  readonly content: Content;
}

/** The MLM above a proxy, in memory: keeps what comes up in the order it took effect, and a real mailbox. */
export class TestParent implements RelayHandler {
  readonly received: Received[] = [];
  readonly artifacts = new Map<string, ArtifactFile>();
  readonly store = new MemoryStore();
  readonly mailboxes: LevelMailboxes;
  fetches = 0;
  refuse: (header: Header) => Verdict | undefined = () => undefined;
  ownMarks: Mark[] | undefined;
  readonly #seen: SeenIntervals;
  #listener: RelayListener;

  constructor(port = 0) {
    const clock = systemClock;
    this.mailboxes = new LevelMailboxes({
      store: this.store,
      clock,
      random: systemRandom,
      prefix: 'm',
      quotaBytes: 1 << 28,
      quotaMessages: 10_000,
    });
    this.#seen = new SeenIntervals({ store: this.store, prefix: 's' });
    this.#listener = this.#listen(port);
  }

  get url(): string {
    return this.#listener.url;
  }

  async start(): Promise<this> {
    if (this.store.state === 'closed') {
      await this.store.start();
      await this.mailboxes.load();
      await this.#seen.load();
    }
    await this.#listener.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
    await this.store.stop();
  }

  /** The line is gone; what was accepted is kept. */
  async hangUp(): Promise<number> {
    const port = Number(new URL(this.url).port);
    await this.#listener.stop();
    this.#listener = this.#listen(port);
    return port;
  }

  /** Puts a message into the proxy's mailbox; resolves with its id. */
  async send(cls: string, subclass: string, content: Content, extra: Partial<Header> = {}): Promise<string> {
    const id = newId(systemClock, systemRandom);
    const now = systemClock.now();
    const header: Header = {
      ...{
        id,
        version: WIRE_VERSION,
        locator: 'destination',
        source: 'provider.a1',
        epoch: '00000000000000aa',
        lane: 4,
        sequence: 1,
        sourceVersion: '0.1.0',
      },
      ...{
        classification: 'infrastructure-administration',
        class: cls,
        subclass,
        contentType: content.type,
        madeAt: now,
      },
      qos: { precedence: 4, persistent: true },
      destination: { kind: 'component', id: PROXY },
      routing: [],
      ...extra,
    };
    await this.deliver(id, header, content);
    return id;
  }

  async deliver(id: string, header: Header, content: Content): Promise<void> {
    const message = { id, header: writeHeader(header), body: writeContent(content), receivedAt: systemClock.now() };
    await commitChanges(this.store, [this.mailboxes.stagePut([PROXY], message)]);
  }

  of(cls: string, subclass: string): Received[] {
    return this.received.filter(({ header }) => header.class === cls && header.subclass === subclass);
  }

  async waitFor(cls: string, subclass: string, count = 1, timeoutMs = 10_000): Promise<Received[]> {
    await until(`${count} of ${cls}/${subclass}`, () => this.of(cls, subclass).length >= count, timeoutMs);
    return this.of(cls, subclass);
  }

  admit(): void {}

  async accept(_peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]> {
    const verdicts = messages.map(({ header }) => this.refuse(header) ?? { accepted: true });
    const fresh = messages.filter(
      ({ header }, i) =>
        verdicts[i]!.accepted && !this.#seen.has(header.source, header.epoch, header.lane, header.sequence),
    );
    const marks = fresh.map(({ header: { source, epoch, lane, sequence } }) => ({
      source,
      epoch,
      lane,
      from: sequence,
      to: sequence,
    }));
    await commitChanges(this.store, [this.#seen.stage(marks)]);
    this.received.push(...fresh.map(({ header, body }) => ({ header, content: readContent(body) })));
    return verdicts;
  }

  marks(peer: Peer): readonly Mark[] {
    return this.ownMarks ?? (this.#seen.marks(peer.identity.id) as Mark[]);
  }

  async artifact(_peer: Peer, sha256: string): Promise<ArtifactFile> {
    const file = this.artifacts.get(sha256);
    if (file === undefined) throw new BackhaulError('BH-E-BULK-GONE');
    this.fetches += 1;
    return file;
  }

  #listen(port: number): RelayListener {
    return new RelayListener({
      ...{
        self: PARENT,
        host: '127.0.0.1',
        port,
        tls: 'plain',
        trustDomain: TRUST_DOMAIN,
        handler: this,
        clock: systemClock,
      },
      ...{ logger: silentLogger, metrics: new Metrics('mlm') },
    });
  }
}
