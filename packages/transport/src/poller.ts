import {
  contentTypeOf,
  type Mark,
  type Message,
  newBoundary,
  type RawMessage,
  readReply,
  toMessage,
  writeEnvelope,
} from '@backhaul/envelope';
import { type BackhaulError, type Clock, type Logger, type Random, toBackhaulError } from '@backhaul/runtime';
import { joined } from './joined.ts';
import { Ongoing } from './ongoing.ts';
import type { Answer, ParentConnection } from './parent-connection.ts';
import type { ParentPulse } from './parent-pulse.ts';
import type { ParentSet } from './parent-set.ts';
import type { DownwardHandler } from './types.ts';
import type { OnMarks } from './uplink.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { formatPlace, type MailboxPlace, parsePlace, WIRE_HEADERS } from './wire-headers.ts';

/** How long the parent is asked to hold a poll, seconds: shorter than what middle boxes cut. */
export const POLL_WAIT_SECONDS = 25;
/** After a poll that came back empty at once (another poller of this identity), or a store that takes nothing now. */
const PAUSE_MS = 1000;
const TOO_EARLY_MS = 200;
/** A hello is a small thing: a parent that leaves it unanswered so long is not there. Doubled with each failure in a row. */
const HELLO_MS = 4_000;
const LONGEST_HELLO_MS = 30_000;
/** No commit takes so long. */
const RECEIVE_MS = 60_000;
/** What a fresh owner says. */
const NOTHING_YET: MailboxPlace = { epoch: '0', through: 0 };

export interface PollerOptions {
  readonly parents: ParentSet;
  readonly pulse: ParentPulse;
  readonly downward: DownwardHandler;
  /** name of this start of the process */
  readonly boot: string;
  /** Told what the parent holds of our lanes, in the first exchange with each parent, before anything is sent to it. */
  /** What the parent's clock says, wall ms; told before anything is sent to it. */
  readonly onParentTime: (now: number) => void;
  readonly onMarks?: OnMarks;
  /** the parent may be used from now on */
  readonly onGreeted: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: UplinkMetrics;
}

/**
 * The back-channel: one outstanding poll. It acknowledges what is durable here [B2], so that nothing leaves the mailbox
 * because it was sent [B1]. The first exchange with a parent does not wait and asks for its marks.
 */
export class Poller {
  readonly #options: PollerOptions;
  /** what each parent gave us last: every one keeps a mailbox of its own for us */
  readonly #places = new Map<ParentConnection, MailboxPlace>();
  /** parents that have refused something because our epoch is superseded */
  readonly #fenced = new Set<ParentConnection>();
  readonly #receiving: Ongoing;
  #turn = new AbortController();

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#receiving = new Ongoing(options.clock);
  }

  /** wall ms since when something the parent sent is being taken, when that does not end: nothing else comes down meanwhile */
  get stalledAt(): number | undefined {
    const { clock } = this.#options;
    const took = clock.monotonic() - (this.#receiving.oldest ?? clock.monotonic());
    return took < RECEIVE_MS ? undefined : clock.now() - took;
  }

  /** The parent fences our epoch: the marks it tells in its next hello say why. */
  fenced(link: ParentConnection): void {
    this.#fenced.add(link);
    this.#options.parents.greetAnew(link);
  }

  /** Ends a poll that is being held: another parent is used now, or this one is to be greeted anew. */
  renew(): void {
    this.#turn.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { parents, clock } = this.#options;
    while (!signal.aborted) {
      const pauseMs = parents.pauseMs();
      this.#turn = new AbortController();
      const turn = AbortSignal.any([signal, this.#turn.signal]);
      if (pauseMs > 0) await clock.sleep(pauseMs, turn);
      else await this.#poll(parents.current(), turn);
    }
  }

  async #poll(link: ParentConnection, signal: AbortSignal): Promise<void> {
    const { parents, clock } = this.#options;
    const attempt = parents.attempt();
    const hello = !link.greeted;
    const began = clock.monotonic();
    try {
      const answer = await this.#exchange(link, hello, signal);
      const { response, messages } = readReply(answer.contentType, answer.body);
      const place = parsePlace('Backhaul-Mailbox', answer.mailbox);
      parents.answered(link);
      if (hello) await this.#greet(link, response.marks ?? [], answer.date);
      if (place && messages.length > 0) await this.#receive(link, messages, place, signal);
      else if (!hello && clock.monotonic() - began < TOO_EARLY_MS) await clock.sleep(PAUSE_MS, signal);
    } catch (thrown) {
      if (!signal.aborted) this.#failed(link, attempt, toBackhaulError(thrown));
    }
  }

  #exchange(link: ParentConnection, hello: boolean, signal: AbortSignal): Promise<Answer> {
    const { downward, random, boot } = this.#options;
    const boundary = newBoundary(random);
    const waitSeconds = hello ? 0 : POLL_WAIT_SECONDS;
    const headers = {
      'content-type': contentTypeOf(boundary),
      [WIRE_HEADERS.ack]: formatPlace(this.#places.get(link) ?? downward.acknowledged()),
      [WIRE_HEADERS.boot]: boot,
      prefer: `wait=${waitSeconds}`,
      ...(hello ? { [WIRE_HEADERS.hello]: '1' } : {}),
    };
    const body = joined(writeEnvelope(boundary, []));
    return hello ? this.#hello(link, body, headers, signal) : this.#hold(link, body, headers, signal);
  }

  /** Throws BH-E-PARENT-SILENT when it is not answered in time. */
  #hello(link: ParentConnection, body: Buffer, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const { pulse, parents } = this.#options;
    const withinMs = Math.min(LONGEST_HELLO_MS, HELLO_MS * 2 ** Math.min(parents.failures, 3));
    return pulse.within(link, withinMs, signal, (until) => link.post(body, headers, { signal: until }));
  }

  #hold(link: ParentConnection, body: Buffer, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const holdMs = POLL_WAIT_SECONDS * 1000;
    return this.#options.pulse.during(link, { expectedMs: 0, holdMs }, signal, (until) =>
      link.post(body, headers, { signal: until, isPoll: true, answerMs: holdMs + LONGEST_HELLO_MS }),
    );
  }

  async #greet(link: ParentConnection, marks: readonly Mark[], date: number | undefined): Promise<void> {
    if (date !== undefined) this.#options.onParentTime(date);
    const fenced = this.#fenced.delete(link);
    await this.#options.onMarks?.(marks, { fenced });
    link.greeted = true;
    this.#options.onGreeted();
  }

  /** Durable first; the next poll acknowledges it. */
  async #receive(
    link: ParentConnection,
    raw: readonly RawMessage[],
    place: MailboxPlace,
    signal: AbortSignal,
  ): Promise<void> {
    const { downward, clock, logger, metrics } = this.#options;
    metrics.received.inc({}, raw.length);
    try {
      await this.#receiving.during(() => downward.receive(this.#readable(raw), place));
      this.#places.set(link, place);
    } catch (error) {
      logger.warn({ error }, 'what the parent sent could not be taken now; it is asked for again');
      await clock.sleep(PAUSE_MS, signal);
    }
  }

  /** One that cannot be read would stop all that come after it: it is reported and left out. */
  #readable(raw: readonly RawMessage[]): Message[] {
    const messages: Message[] = [];
    for (const parts of raw) {
      try {
        messages.push(toMessage(parts));
      } catch (thrown) {
        const { code, detail } = toBackhaulError(thrown);
        this.#options.logger.error({ id: parts.id, code, detail }, 'a message from the parent cannot be read');
      }
    }
    return messages;
  }

  #failed(link: ParentConnection, attempt: number, error: BackhaulError): void {
    const { parents, logger } = this.#options;
    if (error.code === 'BH-E-ACK' && this.#places.get(link) !== NOTHING_YET) {
      logger.warn({ parent: link.parent.id }, 'the parent has another mailbox for us; it is read from its beginning');
      this.#places.set(link, NOTHING_YET);
      return;
    }
    parents.failed(link, attempt, error);
    if (error.code === 'BH-E-EPOCH') this.fenced(link);
  }
}
