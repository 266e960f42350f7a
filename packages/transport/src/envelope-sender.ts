import { contentTypeOf, newBoundary, readReply, type Verdict, writeEnvelope } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Random, toBackhaulError } from '@backhaul/runtime';
import { LAST_STRICT_LANE, type SpoolEntry } from '@backhaul/spool';
import { COMPRESS_FROM_BYTES, chooseEncoding, compress } from './compression.ts';
import { joined } from './joined.ts';
import type { LineTurns } from './line-turns.ts';
import { LinkRate, type Way } from './link-rate.ts';
import { LinkSession } from './link-session.ts';
import type { KnownNumbers } from './outbox/known-numbers.ts';
import { withOwnHop } from './own-hop.ts';
import { concernsContent, unreadable } from './parent-answer.ts';
import type { Answer, ParentConnection } from './parent-connection.ts';
import type { ParentPulse } from './parent-pulse.ts';
import type { ParentSet } from './parent-set.ts';
import type { UplinkMetrics } from './uplink-metrics.ts';
import { formatLink, WIRE_HEADERS } from './wire-headers.ts';

export interface EnvelopeSenderOptions {
  readonly self: string;
  /** name of this start of the process */
  readonly boot: string;
  readonly known?: KnownNumbers | undefined;
  readonly parents: ParentSet;
  readonly pulse: ParentPulse;
  readonly turns: LineTurns;
  readonly maxBytes: number;
  readonly compress: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: UplinkMetrics;
}

export interface Outgoing {
  readonly entries: readonly SpoolEntry[];
  readonly bytes: number;
}

/**
 * Sends envelopes over the current sessions of a link, one for what is urgent and one for the rest, so that an alarm need not wait
 * for the numbers of a backlog; and keeps account of what the link carries. Nothing is tried again here.
 */
export class EnvelopeSender {
  readonly #options: EnvelopeSenderOptions;
  readonly #rate: LinkRate;
  readonly #sessions: Record<Way, LinkSession | undefined> = { urgent: undefined, other: undefined };

  constructor(options: EnvelopeSenderOptions) {
    this.#options = options;
    this.#rate = new LinkRate(options.maxBytes);
  }

  /** Bytes that the next envelope may hold; 0 when enough is under way. */
  budget(way: Way): number {
    return this.#rate.budget(way);
  }

  /** Envelopes under way for which no new connection is needed, where that would take long: over a thin line. */
  connections(link: ParentConnection): number {
    return this.isThin ? (link.connected ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }

  /** Everything that goes over this line is felt by everything else. */
  get isThin(): boolean {
    return this.#rate.isThin;
  }

  /** Gives up what is in flight; the next envelope begins a new session. */
  break(): void {
    for (const session of Object.values(this.#sessions)) session?.abort();
  }

  /**
   * One verdict per entry. Whatever fails ends the session, so that no number of it is ever used for other content, and nothing
   * of it is honoured that comes late. Throws the coded refusal of the parent, BH-E-PARENT-UNREACHABLE, BH-E-PARENT-SILENT.
   */
  async send(outgoing: Outgoing, link: ParentConnection, given?: AbortSignal): Promise<readonly Verdict[]> {
    const { parents, clock, metrics, turns } = this.#options;
    const attempt = parents.attempt();
    const way = wayOf(outgoing.entries);
    const session = this.#sessionOn(link, way);
    const sending = this.#rate.sent(way, outgoing.bytes, clock.monotonic());
    const turnEnds = way === 'other' ? turns.envelope() : undefined;
    try {
      const answering = this.#exchange(outgoing, link, session, given);
      if (way === 'other') this.#keepSpare(link);
      const verdicts = await answering;
      session.signal.throwIfAborted(); // it broke while the answer was on its way: what is said of it is not honoured
      session.answered();
      this.#rate.answered(way, outgoing.bytes, sending, clock.monotonic());
      metrics.seconds.observe((clock.monotonic() - sending.at) / 1000);
      metrics.envelopes.inc({ outcome: 'answered' });
      parents.answered(link);
      return verdicts;
    } catch (thrown) {
      const error = toBackhaulError(thrown);
      session.break();
      this.#rate.lost(way, outgoing.bytes, sending);
      if (error.code === 'BH-E-PARENT-SILENT') this.#rate.silent();
      metrics.envelopes.inc({ outcome: 'failed' });
      if (!concernsContent(error) && !given?.aborted) parents.failed(link, attempt, error);
      throw error;
    } finally {
      turnEnds?.();
    }
  }

  /** An alarm that comes while the only connection is taken would wait for a new one, on a line that is full: a question opens one now. */
  #keepSpare(link: ParentConnection): void {
    if (this.connections(link) <= 1) void this.#options.pulse.isThere(link);
  }

  #sessionOn(link: ParentConnection, way: Way): LinkSession {
    const current = this.#sessions[way];
    if (current?.usable && current.link === link) return current;
    return (this.#sessions[way] = new LinkSession(link, this.#options.random));
  }

  async #exchange(
    { entries }: Outgoing,
    link: ParentConnection,
    session: LinkSession,
    given: AbortSignal | undefined,
  ): Promise<readonly Verdict[]> {
    const { self, boot, clock, random, metrics, pulse, known } = this.#options;
    known?.sending(entries);
    const number = session.next();
    const boundary = newBoundary(random);
    const now = clock.now();
    const messages = entries.map((entry) => withOwnHop(self, entry, now));
    const { body, encoding } = await this.#pack(link, joined(writeEnvelope(boundary, messages)));
    metrics.bytes.inc({ direction: 'out' }, body.length);
    const headers = {
      'content-type': contentTypeOf(boundary),
      [WIRE_HEADERS.link]: formatLink(number),
      [WIRE_HEADERS.boot]: boot,
      ...encoding,
    };
    const signal = given ? AbortSignal.any([session.signal, given]) : session.signal;
    const patience = { expectedMs: this.#rate.expectedMs() };
    const answer = await pulse.during(link, patience, signal, (until) => link.post(body, headers, { signal: until }));
    metrics.bytes.inc({ direction: 'in' }, answer.body.length);
    const verdicts = verdictsOf(answer);
    if (verdicts.length === entries.length) return verdicts;
    throw new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: 'the answer does not speak of every message' });
  }

  async #pack(link: ParentConnection, plain: Buffer) {
    if (!this.#options.compress || plain.length < COMPRESS_FROM_BYTES) return { body: plain, encoding: {} };
    const encoding = chooseEncoding(link.accepts);
    return { body: await compress(encoding, plain), encoding: { 'content-encoding': encoding } };
  }
}

/** Of one lane everything goes the same way, so that its order holds. */
export function wayOf(entries: Iterable<Pick<SpoolEntry, 'lane'>>): Way {
  for (const { lane } of entries) if (lane > LAST_STRICT_LANE) return 'other';
  return 'urgent';
}

function verdictsOf({ contentType, body }: Answer): readonly Verdict[] {
  try {
    return readReply(contentType, body).response.verdicts;
  } catch (cause) {
    throw unreadable(cause);
  }
}
