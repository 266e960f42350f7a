import { contentTypeOf, newBoundary, readReply, type Verdict, writeEnvelope } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger, type Random, toBackhaulError } from '@backhaul/runtime';
import {
  type Change,
  type Claim,
  commitChanges,
  type Removed,
  type Settlement,
  type Spool,
  type Store,
} from '@backhaul/spool';
import PQueue from 'p-queue';
import { fullJitter } from './backoff.ts';
import { COMPRESS_FROM_BYTES, chooseEncoding, compress } from './compression.ts';
import { joined } from './joined.ts';
import { LinkRate } from './link-rate.ts';
import { LinkSession } from './link-session.ts';
import { withOwnHop } from './own-hop.ts';
import { concernsContent } from './parent-answer.ts';
import type { ParentConnection } from './parent-connection.ts';
import type { ParentSet } from './parent-set.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { settlementOf } from './verdict-settlement.ts';
import { Wakeup } from './wakeup.ts';
import { formatLink, WIRE_HEADERS } from './wire-headers.ts';

export interface ForwarderOptions {
  readonly self: string;
  readonly parents: ParentSet;
  readonly store: Store;
  readonly spool: Spool;
  readonly onRemoved: (removed: readonly Removed[]) => Change;
  readonly window: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly compress: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: UplinkMetrics;
}

/** A spool that cannot be read now (it is being reopened) is asked again after this. */
const SPOOL_PAUSE_MS = 500;

/**
 * The forward channel: takes claims from the spool while the window has room, and ends each by what the parent said.
 * An entry leaves the spool by a verdict, never by having been sent [S2]; without an answer the claim is released.
 * No timer fills a batch: what is there is sent, and what arrives meanwhile is the next batch.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #rate: LinkRate;
  readonly #wakeup = new Wakeup();
  /** Envelopes in flight: one window for all lanes. */
  readonly #sends: PQueue;
  #session: LinkSession | undefined;
  #maxMessages: number;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#maxMessages = options.maxMessages;
    this.#rate = new LinkRate(options.maxBytes);
    this.#sends = new PQueue({ concurrency: options.window });
  }

  get inFlight(): number {
    return this.#sends.pending + this.#sends.size;
  }

  /** The parent may be used now, or something else has changed. */
  wake(): void {
    this.#wakeup.wake();
  }

  /** Ends when the signal aborts; what is in flight then goes on (`settled`, `giveUp`). */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#step(signal);
      } catch (thrown) {
        this.#options.logger.warn({ error: thrown }, 'the spool gave nothing to send');
        await this.#options.clock.sleep(SPOOL_PAUSE_MS, signal);
      }
    }
  }

  /** Resolves when nothing is in flight. */
  settled(): Promise<void> {
    return this.#sends.onIdle();
  }

  /** Takes back what is in flight. */
  giveUp(): void {
    this.#session?.abort();
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { parents, spool, clock, window } = this.#options;
    const pauseMs = parents.pauseMs();
    if (pauseMs > 0) return clock.sleep(pauseMs, signal);
    const link = parents.current();
    const room = parents.failing ? 1 : window;
    const maxBytes = this.#rate.budget();
    if (!link.greeted || this.inFlight >= room || maxBytes === 0) return this.#wakeup.wait(signal);
    const claim = await spool.claim({ maxMessages: this.#maxMessages, maxBytes });
    if (!claim) return spool.ready(signal);
    void this.#sends.add(() => this.#send(claim, link)).finally(() => this.#wakeup.wake());
  }

  async #send(claim: Claim, link: ParentConnection): Promise<void> {
    const { parents, clock, metrics } = this.#options;
    const attempt = parents.attempt();
    const session = this.#sessionOn(link);
    const from = this.#rate.sent(claim.bytes, clock.monotonic());
    try {
      const verdicts = await this.#exchange(claim, link, session);
      session.answered();
      this.#rate.answered(claim.bytes, from, clock.monotonic());
      metrics.seconds.observe((clock.monotonic() - from.at) / 1000);
      metrics.envelopes.inc({ outcome: 'answered' });
      parents.answered(link);
      this.#maxMessages = Math.min(this.#options.maxMessages, this.#maxMessages * 2);
      await this.#settle(claim, this.#settlements(verdicts));
    } catch (thrown) {
      session.break();
      this.#rate.lost(claim.bytes);
      metrics.envelopes.inc({ outcome: 'failed' });
      await this.#failed(claim, link, attempt, toBackhaulError(thrown));
    }
  }

  #sessionOn(link: ParentConnection): LinkSession {
    if (!this.#session?.usable || this.#session.link !== link) {
      this.#session = new LinkSession(link, this.#options.random);
    }
    return this.#session;
  }

  async #exchange(claim: Claim, link: ParentConnection, session: LinkSession): Promise<readonly Verdict[]> {
    const { self, clock, random, metrics } = this.#options;
    const number = session.next();
    const boundary = newBoundary(random);
    const now = clock.now();
    const messages = claim.entries.map((entry) => withOwnHop(self, entry, now));
    const plain = joined(writeEnvelope(boundary, messages));
    const { body, encoding } = await this.#pack(link, plain);
    metrics.bytes.inc({ direction: 'out' }, body.length);
    const headers = {
      'content-type': contentTypeOf(boundary),
      [WIRE_HEADERS.link]: formatLink(number),
      ...encoding,
    };
    const answer = await link.post(body, headers, { signal: session.signal });
    metrics.bytes.inc({ direction: 'in' }, answer.body.length);
    const { verdicts } = readReply(answer.contentType, answer.body).response;
    if (verdicts.length === claim.entries.length) return verdicts;
    throw new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: 'the answer does not speak of every message' });
  }

  async #pack(link: ParentConnection, plain: Buffer) {
    if (!this.#options.compress || plain.length < COMPRESS_FROM_BYTES) return { body: plain, encoding: {} };
    const encoding = chooseEncoding(link.accepts);
    return { body: await compress(encoding, plain), encoding: { 'content-encoding': encoding } };
  }

  #settlements(verdicts: readonly Verdict[]): Settlement[] {
    const now = this.#options.clock.now();
    const backoffMs = fullJitter(3, this.#options.random);
    return verdicts.map((verdict) => settlementOf(verdict, now, () => backoffMs));
  }

  /** What is done with and the receipts of what was refused for good: one commit. */
  async #settle(claim: Claim, settlements: readonly Settlement[]): Promise<void> {
    const { spool, store, onRemoved, logger } = this.#options;
    this.#count(settlements);
    try {
      const { change, removed } = spool.settle(claim, settlements);
      for (const { entry, code, detail } of removed) {
        const { header: _, ...told } = entry;
        logger.warn({ ...told, code, detail }, 'a message was refused for good');
      }
      await commitChanges(store, removed.length > 0 ? [change, onRemoved(removed)] : [change]);
    } catch (error) {
      logger.error({ error }, 'what the parent said could not be stored; it is sent again after the store is open');
    }
  }

  #count(settlements: readonly Settlement[]): void {
    const counts = new Map<string, number>();
    for (const { outcome } of settlements) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    for (const [outcome, count] of counts) this.#options.metrics.messages.inc({ outcome }, count);
  }

  /** A refusal of the content is narrowed down to the one message; everything else waits for the link [DESIGN §4.2]. */
  async #failed(claim: Claim, link: ParentConnection, attempt: number, error: BackhaulError): Promise<void> {
    const { spool, parents, logger } = this.#options;
    if (!concernsContent(error)) {
      parents.failed(link, attempt, error);
      spool.release(claim);
    } else if (claim.entries.length === 1) {
      const detail = error.detail === undefined ? {} : { detail: error.detail };
      await this.#settle(claim, [{ outcome: 'refused', code: error.code, ...detail }]);
    } else {
      logger.warn(
        { code: error.code, messages: claim.entries.length },
        'an envelope was refused; fewer are sent in one',
      );
      this.#maxMessages = Math.ceil(claim.entries.length / 2);
      spool.release(claim);
    }
  }
}
