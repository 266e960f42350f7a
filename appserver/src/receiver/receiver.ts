import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger, type Metrics, toBackhaulError } from '@backhaul/runtime';
import type { MailboxReader } from '@backhaul/spool';
import { type ArtifactFile, EpochWatch, type Peer, type RelayHandler } from '@backhaul/transport';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { Bus } from '../bus/bus.ts';
import { DeadLetters } from '../dead-letters/dead-letters.ts';
import type { ComponentRecord } from '../directory/component-tree.ts';
import type { Directory } from '../directory/directory.ts';
import type { LastHeard } from '../directory/last-heard.ts';
import { LedgerWriter } from '../ledger/ledger-writer.ts';
import type { Notifier } from '../notifications/notifications.ts';
import type { ModuleHost } from '../service-modules/module-host.ts';
import type { Database, Transaction } from '../store/database.ts';
import { Arrival } from './arrival.ts';
import { EventKeys } from './event-keys.ts';
import { GroupCommit, type Outcome } from './group-commit.ts';
import { MessageWriter } from './message-writer.ts';
import { FAULT_STAGES, RECEIVE_STAGES, type ReceiveContext } from './receive.ts';
import { type Fault, Refusals } from './refusals.ts';
import { Seen, type SeenChanges } from './seen.ts';
import { TwoOfOne, type TwoOfOneKind } from './two-of-one.ts';

/** Messages that one transaction may hold; more wait for the next. */
const GROUP_MESSAGES = 2_048;
const COMMIT_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export interface ReceiverOptions {
  readonly database: Database;
  readonly directory: Directory;
  readonly lastHeard: LastHeard;
  readonly modules: ModuleHost;
  readonly mailboxes: MailboxReader;
  readonly artifacts: ArtifactStore;
  readonly bus: Bus;
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Envelope {
  readonly peer: ComponentRecord;
  readonly messages: readonly Message[];
}

/**
 * What arrives from below. Several envelopes share one transaction when they wait together; each has a savepoint of its
 * own, so that one that fails does not take the others with it. The answer is given after the commit, never before.
 */
export class Receiver implements RelayHandler {
  readonly mailboxes: MailboxReader;
  readonly #options: ReceiverOptions;
  readonly #seen = new Seen();
  readonly #ledger: LedgerWriter;
  readonly #writer = new MessageWriter();
  readonly #eventKeys = new EventKeys();
  readonly refusals: Refusals;
  readonly deadLetters: DeadLetters;
  readonly #epochWatch = new EpochWatch();
  readonly #twoOfOne: TwoOfOne;
  readonly #group: GroupCommit<Envelope, readonly Verdict[]>;
  readonly #figures: ReturnType<typeof figures>;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.mailboxes = options.mailboxes;
    this.#ledger = new LedgerWriter(() => options.directory.tree);
    this.refusals = new Refusals(options.logger);
    this.#twoOfOne = new TwoOfOne(options);
    const parts = { ledger: this.#ledger, writer: this.#writer, eventKeys: this.#eventKeys };
    this.deadLetters = new DeadLetters({ ...options, ...parts });
    this.#group = new GroupCommit(
      (envelopes) => this.#commit(envelopes),
      ({ messages }) => messages.length,
      GROUP_MESSAGES,
    );
    this.#figures = figures(options.metrics);
    options.metrics.gauge(
      'clones',
      'Direct children whose identity two live components use',
      () => this.#epochWatch.clones().length,
    );
    options.directory.onRevoked((id) => this.#epochWatch.forget(id));
  }

  readonly name = 'receiver';

  async start(): Promise<void> {
    await this.#seen.load(this.#options.database);
    await this.refusals.load(this.#options.database);
  }

  /** Answers everything that was taken, then takes nothing more. */
  async stop(): Promise<void> {
    await this.#group.close();
    await this.#twoOfOne.settled();
  }

  admit({ identity }: Peer): void {
    const { directory, lastHeard, clock } = this.#options;
    directory.admit(identity);
    lastHeard.heard(identity.id, clock.now());
  }

  async accept(peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]> {
    if (messages.length === 0) return [];
    return this.#group.submit({ peer: this.#options.directory.admit(peer.identity), messages });
  }

  twice({ identity, address }: Peer, what: TwoOfOneKind): void {
    const component = this.#options.directory.tree.get(identity.id);
    if (component) this.#twoOfOne.tell(component, what, address);
  }

  marks({ identity }: Peer): readonly Mark[] {
    return this.#seen.marks(identity.id);
  }

  artifact({ identity }: Peer, sha256: string): Promise<ArtifactFile> {
    return this.#options.artifacts.forPeer(identity.id, sha256);
  }

  artifactServed({ identity }: Peer, sha256: string, bytes: number, complete: boolean): void {
    this.#options.artifacts.served(identity.id, sha256, bytes, complete);
  }

  async #commit(envelopes: readonly Envelope[]): Promise<readonly Outcome<readonly Verdict[]>[]> {
    const { database, clock } = this.#options;
    const began = clock.monotonic();
    const seen = this.#seen.changes();
    const outcomes = await database.transaction(async (tx) => {
      tx.afterCommit(() => seen.committed());
      return this.#receiveAll(tx, seen, envelopes);
    });
    this.#figures.commitSeconds.observe((clock.monotonic() - began) / 1_000);
    this.#count(outcomes);
    return outcomes;
  }

  async #receiveAll(
    tx: Transaction,
    seen: SeenChanges,
    envelopes: readonly Envelope[],
  ): Promise<Outcome<readonly Verdict[]>[]> {
    const outcomes: Outcome<readonly Verdict[]>[] = [];
    for (const envelope of envelopes) outcomes.push(await this.#receiveOne(tx, seen, envelope));
    return outcomes;
  }

  /** When the store does not take an envelope, the fault may be one message's: then each is tried alone. */
  async #receiveOne(tx: Transaction, seen: SeenChanges, envelope: Envelope): Promise<Outcome<readonly Verdict[]>> {
    try {
      return { ok: true, result: await this.#apart(tx, seen, envelope) };
    } catch (error) {
      if (isStoreFailure(error)) return { ok: false, error: this.#unexpected(envelope, error) };
      return this.#receiveEach(tx, seen, envelope);
    }
  }

  async #receiveEach(tx: Transaction, seen: SeenChanges, { peer, messages }: Envelope) {
    const verdicts: Verdict[] = [];
    for (const message of messages) {
      try {
        verdicts.push(...(await this.#apart(tx, seen, { peer, messages: [message] })));
      } catch (error) {
        const refusal = this.#unexpected({ peer, messages }, error);
        if (isStoreFailure(error)) return { ok: false, error: refusal } as const;
        const detail = error instanceof Error ? error.message : String(error);
        verdicts.push(await this.#fault(tx, seen, peer, message, { module: 'store', detail }));
      }
    }
    return { ok: true, result: verdicts } as const;
  }

  /** What an undone savepoint has added to `seen` is taken back with it. */
  async #apart(tx: Transaction, seen: SeenChanges, envelope: Envelope): Promise<readonly Verdict[]> {
    const before = seen.snapshot();
    try {
      return await tx.savepoint(() => this.#receive(tx, seen, envelope));
    } catch (error) {
      seen.restore(before);
      throw error;
    }
  }

  async #receive(tx: Transaction, seen: SeenChanges, { peer, messages }: Envelope): Promise<readonly Verdict[]> {
    const { lastHeard, clock } = this.#options;
    const now = clock.now();
    const arrivals = messages.map((message) => new Arrival(message, now));
    const context = this.#contextOf(tx, seen, peer);
    for (const stage of RECEIVE_STAGES) await stage(context, arrivals);
    tx.afterCommit(() => lastHeard.arrived(arrivals, now));
    return arrivals.map(({ verdict }) => verdict!);
  }

  /** Counts the fault of a message; one that cannot even be set aside is the sender's to keep. */
  async #fault(tx: Transaction, seen: SeenChanges, peer: ComponentRecord, message: Message, fault: Fault) {
    const arrival = new Arrival(message, this.#options.clock.now());
    const context = { ...this.#contextOf(tx, seen, peer), fault };
    const before = seen.snapshot();
    try {
      await tx.savepoint(async () => {
        for (const stage of FAULT_STAGES) await stage(context, [arrival]);
      });
      return arrival.verdict!;
    } catch (error) {
      seen.restore(before);
      if (isStoreFailure(error)) throw error;
      arrival.refuse('BH-E-MODULE', `${fault.module}: ${fault.detail}`);
      return arrival.verdict!;
    }
  }

  #contextOf(tx: Transaction, seen: SeenChanges, peer: ComponentRecord): ReceiveContext {
    const { directory, modules, clock } = this.#options;
    return {
      ...{ tx, peer, seen, modules, tree: directory.tree, ledger: this.#ledger, writer: this.#writer },
      ...{ epochWatch: this.#epochWatch, monotonicNow: clock.monotonic() },
      ...{ eventKeys: this.#eventKeys, refusals: this.refusals, deadLetters: this.deadLetters },
      onSameEvent: () => this.#figures.sameEvents.inc(),
      onDuplicate: () => this.#figures.duplicates.inc(),
      onClone: () => this.#twoOfOne.tell(peer, 'clone'),
    };
  }

  #unexpected({ peer }: Envelope, error: unknown): BackhaulError {
    const refusal = toBackhaulError(error);
    this.#options.logger.error({ error, peer: peer.id }, 'an envelope could not be stored');
    return refusal.retryAfterMs === undefined && refusal.retryable
      ? new BackhaulError(refusal.code, {
          detail: refusal.detail ?? 'the envelope was not stored',
          retryAfterMs: 5_000,
          cause: error,
        })
      : refusal;
  }

  #count(outcomes: readonly Outcome<readonly Verdict[]>[]): void {
    for (const outcome of outcomes) {
      if (!outcome.ok) continue;
      this.#figures.accepted.inc({}, outcome.result.filter(({ accepted }) => accepted).length);
      for (const { accepted, code } of outcome.result)
        if (!accepted) this.#figures.refused.inc({ code: code ?? 'none' });
    }
  }
}

/** The whole store's fault, not a message's: everybody waits. */
const isStoreFailure = (error: unknown): boolean =>
  error instanceof BackhaulError && error.code === 'BH-E-SPOOL-STOPPED';

function figures(metrics: Metrics) {
  return {
    accepted: metrics.counter('messages_accepted_total', 'Messages accepted from below, duplicates among them'),
    duplicates: metrics.counter('messages_duplicate_total', 'Messages that had been stored before'),
    sameEvents: metrics.counter(
      'messages_same_event_total',
      'Messages whose event had been told by another message, through another way',
    ),
    refused: metrics.counter('messages_refused_total', 'Messages refused, by code', ['code']),
    commitSeconds: metrics.histogram(
      'commit_seconds',
      'Time to take a group of envelopes, commit included',
      COMMIT_BUCKETS_SECONDS,
    ),
  };
}
