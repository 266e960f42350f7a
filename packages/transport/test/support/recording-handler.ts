import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { commitChanges, type MailboxPage, MemoryStore, type Seen, SeenIntervals } from '@backhaul/spool';
import type { ArtifactFile, Peer, RelayHandler } from '@backhaul/transport';

type MailboxLetter = MailboxPage['messages'][number];

/** A mailbox in memory with the rules of the contract: nothing leaves it but by acknowledgement. */
export class SimpleMailboxes {
  readonly epoch = 'feed000000000001';
  readonly #letters = new Map<string, MailboxLetter[]>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #given = new Map<string, number>();

  put(owner: string, message: Omit<MailboxLetter, 'number'>): void {
    const number = (this.#given.get(owner) ?? 0) + 1;
    this.#given.set(owner, number);
    this.#letters.set(owner, [...(this.#letters.get(owner) ?? []), { ...message, number }]);
    for (const wake of this.#waiting.get(owner) ?? []) wake();
  }

  depth(owner: string): number {
    return this.#letters.get(owner)?.length ?? 0;
  }

  async acknowledge(owner: string, epoch: string, number: number): Promise<void> {
    if (epoch === '0' && number === 0) return;
    if (epoch !== this.epoch || number > (this.#given.get(owner) ?? 0)) throw new BackhaulError('BH-E-ACK');
    this.#letters.set(
      owner,
      (this.#letters.get(owner) ?? []).filter((letter) => letter.number > number),
    );
  }

  async read(owner: string, budget: { maxMessages: number }): Promise<MailboxPage> {
    const messages = (this.#letters.get(owner) ?? []).slice(0, budget.maxMessages);
    return { epoch: this.epoch, through: messages.at(-1)?.number ?? 0, messages };
  }

  wait(owner: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.depth(owner) > 0) return Promise.resolve(true);
    const waiting = this.#waiting.get(owner) ?? new Set();
    this.#waiting.set(owner, waiting);
    return new Promise((resolve) => {
      const end = (something: boolean) => () => {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve(something);
      };
      const wake = end(true);
      const timer = setTimeout(end(false), waitMs);
      waiting.add(wake);
      signal.addEventListener('abort', end(false), { once: true });
    });
  }
}

/** What a role does, as small as it can be: one store, effects and seen marks in one commit, everything recorded. */
export class RecordingHandler implements RelayHandler {
  readonly store = new MemoryStore();
  readonly seen: Seen = new SeenIntervals({ store: this.store, prefix: 'seen' });
  readonly mailboxes = new SimpleMailboxes();
  /** messages in the order in which they took effect */
  readonly effects: Message[] = [];
  /** messages per call of `accept`, repeats included */
  readonly envelopes: number[] = [];
  readonly revoked = new Set<string>();
  #lastTaken: Promise<unknown> = Promise.resolve();
  readonly artifacts = new Map<string, ArtifactFile>();
  readonly served: { bytes: number; complete: boolean }[] = [];
  ownMarks: Mark[] = [];
  /** may refuse a message, throw for the whole envelope, or take its time */
  judge: (message: Message) => Verdict = () => ({ accepted: true });
  before: (messages: readonly Message[]) => Promise<void> = async () => {};

  twice: NonNullable<RelayHandler['twice']> = () => {};

  async start(): Promise<void> {
    await this.store.start();
    await this.seen.load();
  }

  async stop(): Promise<void> {
    await this.store.stop();
  }

  admit(peer: Peer): void {
    if (this.revoked.has(peer.identity.id)) throw new BackhaulError('BH-E-ID-REVOKED');
  }

  /** What is accepted is in effect in the order of the calls, however long each takes. */
  accept(_peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]> {
    this.envelopes.push(messages.length);
    const taken = this.#take(messages, this.before(messages), this.#lastTaken);
    this.#lastTaken = taken.catch(() => undefined);
    return taken;
  }

  async #take(messages: readonly Message[], before: Promise<void>, lastTaken: Promise<unknown>) {
    await Promise.all([before, lastTaken]);
    const verdicts = messages.map((message) => this.judge(message));
    const fresh = messages.filter((message, i) => verdicts[i]!.accepted && !this.#has(message));
    await commitChanges(this.store, [this.seen.stage(fresh.map(markOf))]);
    this.effects.push(...fresh);
    return verdicts;
  }

  marks(): readonly Mark[] {
    return this.ownMarks;
  }

  async artifact(_peer: Peer, sha256: string): Promise<ArtifactFile> {
    const artifact = this.artifacts.get(sha256);
    if (!artifact) throw new BackhaulError('BH-E-BULK-GONE');
    return artifact;
  }

  artifactServed(_peer: Peer, _sha256: string, bytes: number, complete: boolean): void {
    this.served.push({ bytes, complete });
  }

  #has({ header }: Message): boolean {
    return this.seen.has(header.source, header.epoch, header.lane, header.sequence);
  }
}

function markOf({ header }: Message) {
  const { source, epoch, lane, sequence } = header;
  return { source, epoch, lane, from: sequence, to: sequence };
}
