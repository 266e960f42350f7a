import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { BackhaulError, Metrics, silentLogger, systemClock, systemRandom } from '@backhaul/runtime';
import { commitChanges, LevelMailboxes, MemoryStore } from '@backhaul/spool';
import { type ArtifactFile, type Peer, type RelayHandler, RelayListener } from '@backhaul/transport';
import { PARENT, TRUST_DOMAIN } from './names.ts';

const common = { clock: systemClock, random: systemRandom, logger: silentLogger } as const;
const ROOMY = { quotaBytes: 2 ** 30, quotaMessages: 1e6 };

/** What stands above a row of MLMs where the MLMs are measured: hands down what it is given, takes everything, keeps nothing. */
export class StandInParent implements RelayHandler {
  readonly mailboxes: LevelMailboxes;
  readonly artifacts = new Map<string, ArtifactFile>();
  /** told of every message that has come */
  onMessage: (message: Message) => void = () => {};
  readonly #store = new MemoryStore();
  readonly #listener: RelayListener;

  constructor() {
    this.mailboxes = new LevelMailboxes({ store: this.#store, prefix: 'm', ...ROOMY, ...common });
    this.#listener = new RelayListener({
      ...{ self: PARENT, host: '127.0.0.1', port: 0, tls: 'plain', trustDomain: TRUST_DOMAIN, handler: this },
      ...{ metrics: new Metrics('appserver'), ...common },
    });
  }

  get url(): string {
    return this.#listener.url;
  }

  async start(): Promise<this> {
    await this.#store.start();
    await this.mailboxes.load();
    await this.#listener.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
    await this.#store.stop();
  }

  /** Into the mailbox of a child. */
  async send(child: string, messages: readonly Message[]): Promise<void> {
    const receivedAt = systemClock.now();
    const changes = messages.map(({ header, headerBytes, body }) =>
      this.mailboxes.stagePut([child], { id: header.id, header: headerBytes, body, receivedAt }),
    );
    await commitChanges(this.#store, changes);
  }

  admit(): void {}

  async accept(_peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]> {
    for (const message of messages) this.onMessage(message);
    return messages.map(() => ({ accepted: true }));
  }

  marks(): readonly Mark[] {
    return [];
  }

  async artifact(_peer: Peer, sha256: string): Promise<ArtifactFile> {
    const found = this.artifacts.get(sha256);
    if (found === undefined) throw new BackhaulError('BH-E-BULK-GONE');
    return found;
  }
}
