import type { Message } from '@backhaul/envelope';
import type { ModuleChain } from '@backhaul/modules';
import {
  BackhaulError,
  type Clock,
  type Component,
  type Logger,
  type Random,
  type Timer,
  toBackhaulError,
} from '@backhaul/runtime';
import { type Change, commitChanges, type Op, type Store, stagedChange } from '@backhaul/spool';
import type { ArtifactFile, Outbox } from '@backhaul/transport';
import type { RoomyMailboxes } from '../mailbox-room.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { newTransfer, offeredTo, offerOf } from './offers.ts';
import { transferDrafts } from './transfer-drafts.ts';
import { step, type Transfer, type TransferEvent, waitOf } from './transfer-machine.ts';
import { upwardAnswers } from './upward-answers.ts';

export interface TransfersOptions {
  /** id of this MLM */
  readonly self: string;
  readonly store: Store;
  readonly mailboxes: RoomyMailboxes;
  readonly own: Outbox;
  readonly modules: ModuleChain;
  readonly artifacts: ArtifactStore;
  /** bytes of disk that an artifact must leave free */
  readonly minFreeBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onLanBytes?: (bytes: number) => void;
  readonly onWanBytes?: (bytes: number) => void;
}

const PREFIX = 'transfer/';
const TICK_MS = 15_000;
/** Wait after a failed fetch: full jitter up to this. */
const RETRY_MS = 30_000;
const SPACE_WAIT_MS = 60_000;
/** After a step that found no room in the spool or a store being reopened. */
const COMMIT_WAIT_MS = 2_000;
/** A child that asks for a file that is being fetched anew comes back after this. */
const LOST_WAIT_MS = 10_000;
/** Refusals of the parent that asking again does not change. */
const FINAL: ReadonlySet<string> = new Set(['BH-E-BULK-GONE', 'BH-E-BULK-HASH']);

/**
 * The shell of the transfer machine: keeps one record for each offer, carries out what the steps ask for, and begins again
 * where it was after a restart. One loop for each transfer that asks or fetches; the rest moves by what happens below.
 */
export class Transfers implements Component {
  readonly name = 'transfers';
  readonly #options: TransfersOptions;
  #transfers = new Map<string, Transfer>();
  readonly #loops = new Map<string, Promise<void>>();
  #stopping = new AbortController();
  #timer: Timer | undefined;
  #running = false;

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  get transfers(): readonly Transfer[] {
    return [...this.#transfers.values()];
  }

  async load(): Promise<void> {
    const loaded = new Map<string, Transfer>();
    for await (const [, value] of this.#options.store.scan(PREFIX)) {
      const transfer = JSON.parse(Buffer.from(value).toString()) as Transfer;
      loaded.set(transfer.id, transfer);
    }
    this.#transfers = loaded;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#running = true;
    await this.#options.artifacts.sweep(new Set(this.transfers.map(({ sha256 }) => sha256)));
    this.#tick();
  }

  /** What is being fetched goes on after the next start, where it was. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    this.#stopping.abort();
    await Promise.all(this.#loops.values());
  }

  /** Taken in the commit that acknowledges the offer; begins when that is durable. */
  stageOffer(message: Message, destinations: readonly string[], now: number): Change {
    const transfer = newTransfer(message, destinations, now);
    return stagedChange(
      () => this.#put(transfer),
      () => this.#kick(transfer.id),
    );
  }

  /** Answers from below that move transfers on, for the commit that accepts them. One that cannot be read only passes. */
  noteUpward(messages: readonly Message[]): Change[] {
    if (this.#transfers.size === 0) return [];
    const answers = messages.flatMap((message) => {
      try {
        return upwardAnswers(message, this.#transfers.values());
      } catch (error) {
        this.#options.logger.warn({ id: message.header.id, error }, 'an answer about a transfer cannot be read');
        return [];
      }
    });
    const moved = new Map<string, TransferEvent[]>();
    for (const { transfer, event } of answers) moved.set(transfer, [...(moved.get(transfer) ?? []), event]);
    return [...moved].flatMap(([id, events]) => this.#stage(id, events));
  }

  /**
   * Throws BH-E-BULK-GONE for what was not offered to this child: what others get is not told [T-A36]; BH-E-BUSY while a file
   * that was lost here is fetched anew.
   */
  async artifact(child: string, sha256: string): Promise<ArtifactFile> {
    const found = offeredTo(this.transfers, child, sha256);
    if (found === undefined) throw new BackhaulError('BH-E-BULK-GONE', { detail: sha256 });
    const { artifacts } = this.#options;
    if (!(await artifacts.has(sha256, found.size))) throw await this.#lost(sha256);
    return { path: artifacts.path(sha256), size: found.size, sha256 };
  }

  async #lost(sha256: string): Promise<BackhaulError> {
    this.#options.logger.warn({ sha256 }, 'the file of an artifact on offer is gone; it is fetched anew');
    for (const { id } of this.transfers.filter((one) => one.sha256 === sha256)) {
      await this.#apply(id, { type: 'lost' });
      this.#kick(id);
    }
    return new BackhaulError('BH-E-BUSY', { detail: `${sha256} is being fetched`, retryAfterMs: LOST_WAIT_MS });
  }

  artifactServed(child: string, sha256: string, bytes: number, complete: boolean): void {
    this.#options.onLanBytes?.(bytes);
    const found = offeredTo(this.transfers, child, sha256);
    if (found !== undefined) void this.#apply(found.id, { type: 'served', id: child, bytes, complete });
  }

  /** Expiry, lingering, mailboxes that have room again, and waits that are over. */
  #tick(): void {
    if (!this.#running) return;
    for (const { id } of this.transfers) this.#kick(id);
    this.#timer = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  #kick(id: string): void {
    if (!this.#running || this.#loops.has(id)) return;
    const loop = this.#run(id)
      .catch((error) =>
        this.#options.logger.error({ transfer: id, error }, 'a transfer stopped; it begins again shortly'),
      )
      .finally(() => this.#loops.delete(id));
    this.#loops.set(id, loop);
  }

  async #run(id: string): Promise<void> {
    const { clock } = this.#options;
    await this.#apply(id, { type: 'tick' });
    for (let transfer = this.#transfers.get(id); transfer !== undefined; transfer = this.#transfers.get(id)) {
      if (this.#stopping.signal.aborted || transfer.state === 'finished') return;
      if (transfer.state === 'offered') return this.#offer(transfer);
      const waitMs = waitOf(transfer, clock.now());
      if (waitMs > 0) return this.#again(id, waitMs);
      const event = transfer.state === 'asking' ? await this.#ask(transfer) : await this.#fetch(transfer);
      if (event === undefined || !(await this.#apply(id, event))) return this.#again(id, COMMIT_WAIT_MS);
    }
  }

  #again(id: string, waitMs: number): void {
    this.#options.clock.after(Math.min(waitMs, TICK_MS), () => this.#kick(id));
  }

  /** Modules first, then the disk; before any byte moves. */
  async #ask({ sha256, size, class: kind, subclass }: Transfer): Promise<TransferEvent> {
    const { modules, artifacts, minFreeBytes } = this.#options;
    const answer = modules.authorizeTransfer({ class: kind, subclass, size, direction: 'down' });
    if (!answer.allowed) {
      return { type: 'refused', code: 'BH-E-BULK-REFUSED', reason: answer.reason, waitMs: answer.waitMs };
    }
    const left = await artifacts.spaceAfter(sha256, size);
    if (left >= minFreeBytes) return { type: 'allowed' };
    return { type: 'refused', code: 'BH-E-BULK-SPACE', reason: 'not enough free disk space', waitMs: SPACE_WAIT_MS };
  }

  /** Undefined when it was stopped: nothing has happened. */
  async #fetch({ sha256, size }: Transfer): Promise<TransferEvent | undefined> {
    const { artifacts, random, logger, onWanBytes } = this.#options;
    const { signal } = this.#stopping;
    let bytes = 0;
    try {
      const fetched = await artifacts.fetch(sha256, size, signal, (came) => {
        bytes += came;
        onWanBytes?.(came);
      });
      return { type: 'fetched', ...fetched };
    } catch (thrown) {
      if (signal.aborted) return undefined;
      const { code, detail } = toBackhaulError(thrown);
      logger.warn({ sha256, code, detail }, 'an artifact could not be fetched');
      const waitMs = Math.ceil(random.fraction() * RETRY_MS);
      return { type: 'fetch-failed', reason: code, final: FINAL.has(code), waitMs, bytes };
    }
  }

  async #offer({ id, destinations, offer }: Transfer): Promise<void> {
    const { mailboxes } = this.#options;
    const size = offer.header.length + offer.body.length;
    const ids = destinations
      .filter((one) => one.state === 'waiting' && mailboxes.hasRoom(one.id, size))
      .map((one) => one.id);
    if (ids.length > 0) await this.#apply(id, { type: 'room', ids });
  }

  /** False when it could not be committed now. */
  async #apply(id: string, event: TransferEvent): Promise<boolean> {
    try {
      const changes = this.#stage(id, [event]);
      if (changes.length > 0) await commitChanges(this.#options.store, changes);
      return true;
    } catch (error) {
      this.#options.logger.warn(
        { transfer: id, event: event.type, error },
        'a step of a transfer could not be stored now',
      );
      return false;
    }
  }

  /** The new state, what it says upward and what it puts into mailboxes: one commit. Nothing when nothing changed. */
  #stage(id: string, events: readonly TransferEvent[]): Change[] {
    const { clock, own, self, logger } = this.#options;
    const before = this.#transfers.get(id);
    if (before === undefined) return [];
    const now = clock.now();
    let transfer = before;
    const effects = events.flatMap((event) => {
      const next = step(transfer, event, now);
      transfer = next.transfer;
      return next.effects;
    });
    if (JSON.stringify(transfer) === JSON.stringify(before) && effects.length === 0) return [];
    logger.info({ transfer: id, state: transfer.state, events: events.map(({ type }) => type) }, 'transfer');
    const offers = effects.flatMap((effect) =>
      effect.do === 'offer' ? [this.#options.mailboxes.stagePut(effect.to, offerOf(transfer))] : [],
    );
    const finished = transfer.state === 'finished';
    const kept = stagedChange(
      () => (finished ? this.#delete(transfer) : this.#put(transfer)),
      () => finished && this.#unpublish(transfer.sha256),
    );
    return [kept, ...offers, ...own.stageAll(transferDrafts(self, now, transfer, effects))];
  }

  #put(transfer: Transfer): Op[] {
    this.#transfers.set(transfer.id, transfer);
    return [{ type: 'put', key: PREFIX + transfer.id, value: Buffer.from(JSON.stringify(transfer)) }];
  }

  #delete({ id }: Transfer): Op[] {
    this.#transfers.delete(id);
    return [{ type: 'del', key: PREFIX + id }];
  }

  #unpublish(sha256: string): void {
    if (this.transfers.some((one) => one.sha256 === sha256)) return;
    const failed = (error: unknown) => this.#options.logger.warn({ sha256, error }, 'an artifact could not be removed');
    void this.#options.artifacts.remove(sha256).catch(failed);
  }
}
