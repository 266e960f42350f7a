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
import { type Answer, LINK_TIMEOUTS, type ParentConnection } from './parent-connection.ts';
import type { ParentSet } from './parent-set.ts';
import type { DownwardHandler } from './types.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { formatPlace, type MailboxPlace, parsePlace, WIRE_HEADERS } from './wire-headers.ts';

/** How long the parent is asked to hold a poll, seconds: shorter than what middle boxes cut. */
export const POLL_WAIT_SECONDS = 25;
/** After a poll that came back empty at once (another poller of this identity), or a store that takes nothing now. */
const PAUSE_MS = 1000;
const TOO_EARLY_MS = 200;
/** What a fresh owner says. */
const NOTHING_YET: MailboxPlace = { epoch: '0', through: 0 };

export interface PollerOptions {
  readonly parents: ParentSet;
  readonly downward: DownwardHandler;
  /** Told what the parent holds of our lanes, in the first exchange with each parent, before anything is sent to it. */
  readonly onMarks?: (marks: readonly Mark[]) => void | Promise<void>;
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
  /** the parent refused our acknowledgement: it does not know this mailbox epoch */
  #asFresh = false;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { parents, clock } = this.#options;
    while (!signal.aborted) {
      const pauseMs = parents.pauseMs();
      if (pauseMs > 0) await clock.sleep(pauseMs, signal);
      else await this.#poll(parents.current(), signal);
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
      if (hello) await this.#greet(link, response.marks ?? []);
      if (place && messages.length > 0) await this.#receive(messages, place, signal);
      else if (!hello && clock.monotonic() - began < TOO_EARLY_MS) await clock.sleep(PAUSE_MS, signal);
    } catch (thrown) {
      if (!signal.aborted) this.#failed(link, attempt, toBackhaulError(thrown));
    }
  }

  #exchange(link: ParentConnection, hello: boolean, signal: AbortSignal): Promise<Answer> {
    const { downward, random } = this.#options;
    const boundary = newBoundary(random);
    const waitSeconds = hello ? 0 : POLL_WAIT_SECONDS;
    const headers = {
      'content-type': contentTypeOf(boundary),
      [WIRE_HEADERS.ack]: formatPlace(this.#asFresh ? NOTHING_YET : downward.acknowledged()),
      prefer: `wait=${waitSeconds}`,
      ...(hello ? { [WIRE_HEADERS.hello]: '1' } : {}),
    };
    const body = joined(writeEnvelope(boundary, []));
    return link.post(body, headers, { signal, answerMs: waitSeconds * 1000 + LINK_TIMEOUTS.answerMs });
  }

  async #greet(link: ParentConnection, marks: readonly Mark[]): Promise<void> {
    await this.#options.onMarks?.(marks);
    link.greeted = true;
    this.#options.onGreeted();
  }

  /** Durable first; the next poll acknowledges it. */
  async #receive(raw: readonly RawMessage[], place: MailboxPlace, signal: AbortSignal): Promise<void> {
    const { downward, clock, logger, metrics } = this.#options;
    metrics.received.inc({}, raw.length);
    try {
      await downward.receive(this.#readable(raw), place);
      this.#asFresh = false;
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
    if (error.code === 'BH-E-ACK' && !this.#asFresh) {
      logger.warn({ parent: link.parent.id }, 'the parent has another mailbox for us; it is read from its beginning');
      this.#asFresh = true;
      return;
    }
    parents.failed(link, attempt, error);
  }
}
