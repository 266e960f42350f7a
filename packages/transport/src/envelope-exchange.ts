import type { IncomingHttpHeaders } from 'node:http';
import {
  contentTypeOf,
  type EnvelopeResponse,
  LIMITS,
  type Message,
  newBoundary,
  type RawMessage,
  readEnvelope,
  toMessage,
  type Verdict,
  WIRE_VERSION,
  writeReply,
} from '@backhaul/envelope';
import {
  BackhaulError,
  type Clock,
  type Logger,
  type Metrics,
  type Random,
  systemRandom,
  toBackhaulError,
} from '@backhaul/runtime';
import type { MailboxPage } from '@backhaul/spool';
import { BootWatch, bootRefusal } from './boot-watch.ts';
import { COMPRESS_FROM_BYTES, chooseEncoding } from './compression.ts';
import { joined } from './joined.ts';
import { LinkOrder } from './link-order.ts';
import { type StoredMessage, withOwnHop } from './own-hop.ts';
import { PollHolds } from './poll-holds.ts';
import { PollRivals } from './poll-rivals.ts';
import { ANSWER_HEADERS } from './refusal.ts';
import { type RelayMetrics, relayMetrics } from './relay-metrics.ts';
import { ByteBudget, type ReceivedBody } from './request-body.ts';
import { PageBody, SharedPages } from './shared-pages.ts';
import type { Peer, RelayHandler } from './types.ts';
import { UnderWay } from './under-way.ts';
import {
  checkVersion,
  formatPlace,
  type LinkNumber,
  type MailboxPlace,
  parseBoot,
  parseLink,
  parsePlace,
  parseWait,
  single,
  WIRE_HEADERS,
} from './wire-headers.ts';

/** What every exchange of one receiver shares. */
export interface ExchangeContext {
  readonly self: string;
  readonly handler: RelayHandler;
  readonly order: LinkOrder;
  readonly holds: PollHolds;
  readonly boots: BootWatch;
  readonly underWay: UnderWay;
  readonly rivals: PollRivals;
  readonly received: ByteBudget;
  readonly pages: SharedPages;
  readonly compress: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RelayMetrics;
  draining(): boolean;
}

export interface ExchangeOptions {
  /** id of this component, for its routing element */
  readonly self: string;
  readonly handler: RelayHandler;
  /** compress replies for children that take it; for WAN links */
  readonly compress?: boolean;
  readonly clock: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** bytes of request bodies being handled at one time */
  readonly receivedBytes: number;
  /** requests being handled now, for the metrics */
  readonly handling: () => number;
  readonly draining: () => boolean;
}

/** Made once by whoever takes the requests of children: the relay listener, or a simulated network. */
export function exchangeContext(options: ExchangeOptions): ExchangeContext {
  const { self, handler, clock, logger, random = systemRandom, compress = false, handling, draining } = options;
  const holds = new PollHolds();
  const boots = new BootWatch();
  return {
    ...{ self, handler, clock, logger, random, compress, holds, draining },
    order: new LinkOrder({ clock }),
    boots,
    underWay: new UnderWay(),
    rivals: new PollRivals(),
    received: new ByteBudget(options.receivedBytes),
    pages: new SharedPages(),
    metrics: relayMetrics(options.metrics, {
      requests: handling,
      heldPolls: () => holds.size,
      clones: () => boots.clones,
    }),
  };
}

/** A request on `POST /v1/envelopes` without its HTTP: who, what it says, and how to come by the rest of it. */
export interface ExchangeRequest {
  readonly peer: Peer;
  /** lower case, as node gives them */
  readonly headers: IncomingHttpHeaders;
  /** Called once, after the headers were found good: the whole body, at most LIMITS.envelopeBytes of it. */
  readonly body: () => Promise<ReceivedBody>;
  /** aborts when the client goes away */
  readonly gone: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One request on its way through the stages. */
interface Exchange {
  readonly request: ExchangeRequest;
  readonly peer: Peer;
  readonly gone: AbortSignal;
  link?: LinkNumber;
  boot?: string;
  ack?: MailboxPlace;
  waitMs: number;
  heldBytes: number;
  leaveTurn?: () => void;
  leave?: () => void;
  raw: readonly RawMessage[];
  /** messages that could be read, and their places among all */
  readonly messages: Message[];
  readonly places: number[];
  readonly verdicts: Verdict[];
  page?: MailboxPage;
  ended: boolean;
  answer?: ExchangeAnswer;
}

/** The path of a request on `POST /v1/envelopes`, from its headers to its answer. */
export const ENVELOPE_STAGES = [
  readHeaders,
  checkBoot,
  openEnvelope,
  readMessages,
  acknowledgeMailbox,
  awaitTurn,
  checkBootAgain,
  acceptMessages,
  holdPoll,
  readMailbox,
  writeAnswer,
] as const;

/** What is said to the request; a refusal of the whole of it is thrown, coded. */
export async function answerExchange(context: ExchangeContext, request: ExchangeRequest): Promise<ExchangeAnswer> {
  const { peer, gone } = request;
  const lists = { raw: [], messages: [], places: [], verdicts: [] };
  const exchange: Exchange = { request, peer, gone, waitMs: 0, heldBytes: 0, ...lists, ended: false };
  try {
    for (const stage of ENVELOPE_STAGES) await stage(context, exchange);
    return exchange.answer!;
  } finally {
    exchange.leave?.();
    context.received.give(peer.identity.customer, exchange.heldBytes);
    if (exchange.leaveTurn) exchange.leaveTurn();
    else if (exchange.link) context.order.skip(peer.identity.id, exchange.link);
  }
}

function readHeaders(_context: ExchangeContext, exchange: Exchange): void {
  const { headers } = exchange.request;
  const link = parseLink(single(headers[WIRE_HEADERS.link]));
  if (link) exchange.link = link;
  checkVersion(single(headers[WIRE_HEADERS.version]), WIRE_VERSION);
  const ack = parsePlace('Backhaul-Ack', single(headers[WIRE_HEADERS.ack]));
  if (ack) exchange.ack = ack;
  exchange.waitMs = 1000 * parseWait(single(headers['prefer']));
  const boot = parseBoot(single(headers[WIRE_HEADERS.boot]));
  if (boot !== undefined) exchange.boot = boot;
}

/** Of two processes with one identity only the one that said hello last is listened to, whatever the other says. */
async function checkBoot(context: ExchangeContext, exchange: Exchange): Promise<void> {
  const { peer, boot } = exchange;
  if (boot === undefined) return;
  const isHello = exchange.request.headers[WIRE_HEADERS.hello] === '1';
  judgeBoot(context, exchange, boot, isHello);
  // its numbers must be in the marks: what is still being committed may be of the one that is taken over from
  if (isHello) await context.underWay.othersEnded(peer.identity.id, boot);
}

/**
 * Another process may have said hello while this body came or waited for its turn: it is not accepted any more. So a hello
 * waits for what is being committed, and never for an upload that a dead process has left half open.
 */
function checkBootAgain(context: ExchangeContext, exchange: Exchange): void {
  const { peer, boot, link } = exchange;
  if (boot === undefined || !link) return;
  judgeBoot(context, exchange, boot, false);
  exchange.leave = context.underWay.enter(peer.identity.id, boot);
}

/** Throws BH-E-EPOCH, BH-E-CLONE. */
function judgeBoot(context: ExchangeContext, { peer }: Exchange, boot: string, isHello: boolean): void {
  const { boots, clock, logger, metrics, handler } = context;
  const { id } = peer.identity;
  const wasClone = boots.isClone(id);
  const judgement = boots.judge(id, boot, isHello, clock.monotonic());
  const refusal = bootRefusal(judgement);
  if (refusal === undefined) return;
  metrics.takenOver.inc({ code: refusal.code });
  if (judgement === 'clone' && !wasClone) {
    logger.error(
      { component: id, address: peer.address },
      'two live components speak with this identity: both are refused',
    );
    handler.twice?.(peer, 'clone');
  }
  throw refusal;
}

async function openEnvelope({ received, metrics }: ExchangeContext, exchange: Exchange): Promise<void> {
  const { request, peer } = exchange;
  const hold = (size: number): void => {
    received.take(peer.identity.customer, size);
    exchange.heldBytes += size;
  };
  hold(Math.min(Number(request.headers['content-length'] ?? LIMITS.envelopeBytes), LIMITS.envelopeBytes));
  const { bytes, wireBytes } = await request.body();
  if (bytes.length > wireBytes) hold(bytes.length - wireBytes);
  metrics.bytes.inc({ direction: 'in' }, wireBytes);
  metrics.envelopes.inc();
  exchange.raw = readEnvelope(request.headers['content-type'] ?? '', bytes);
}

/**
 * A message that cannot be read, or has been here before [E2], is refused alone. Before its turn, so that one envelope is
 * read while another is written to disk.
 */
function readMessages({ self }: ExchangeContext, { raw, messages, places, verdicts }: Exchange): void {
  for (const [place, parts] of raw.entries()) {
    try {
      messages.push(checkRoute(self, toMessage(parts)));
      places.push(place);
    } catch (thrown) {
      const { code, retryable, detail } = toBackhaulError(thrown);
      verdicts[place] = { accepted: false, code, retryable, ...(detail === undefined ? {} : { detail }) };
    }
  }
}

/** What the owner has is removed before anything else is said to it [B1]. */
async function acknowledgeMailbox({ handler }: ExchangeContext, { ack, peer }: Exchange): Promise<void> {
  if (ack) await handler.mailboxes.acknowledge(peer.identity.id, ack.epoch, ack.through);
}

async function awaitTurn({ order }: ExchangeContext, exchange: Exchange): Promise<void> {
  const { link, peer, gone } = exchange;
  if (link) exchange.leaveTurn = await order.enter(peer.identity.id, link, gone);
}

/**
 * One verdict per message; the answer is written after the handler has made durable what it accepts [S1]. Its turn ends when that
 * is submitted: the envelopes that follow may share the commit, which keeps their order.
 */
async function acceptMessages({ handler, metrics }: ExchangeContext, exchange: Exchange): Promise<void> {
  const { peer, messages, places, verdicts, raw } = exchange;
  if (raw.length === 0) return;
  const accepting = messages.length === 0 ? [] : handler.accept(peer, messages);
  exchange.leaveTurn?.();
  const answers = await accepting;
  if (answers.length !== messages.length) {
    throw new BackhaulError('BH-E-INTERNAL', { detail: 'the handler did not answer every message' });
  }
  for (const [i, place] of places.entries()) verdicts[place] = answers[i]!;
  const accepted = verdicts.filter((verdict) => verdict.accepted).length;
  metrics.messages.inc({ verdict: 'accepted' }, accepted);
  if (accepted < verdicts.length) metrics.messages.inc({ verdict: 'refused' }, verdicts.length - accepted);
}

function checkRoute(self: string, message: Message): Message {
  const { routing } = message.header;
  if (routing.some((hop) => hop.id === self)) throw new BackhaulError('BH-E-LOOP', { detail: self });
  if (routing.length >= LIMITS.hops) throw new BackhaulError('BH-E-LOOP', { detail: `more than ${LIMITS.hops} hops` });
  return message;
}

/** Only an empty envelope is held: no acceptance ever waits [DESIGN §3]. */
async function holdPoll(context: ExchangeContext, exchange: Exchange): Promise<void> {
  const { ack, peer, gone, waitMs, raw } = exchange;
  if (!ack) return;
  const owner = peer.identity.id;
  if (waitMs === 0 || raw.length > 0 || context.draining()) return context.holds.end(owner);
  const before = context.holds.heldBy(owner);
  const boot = single(exchange.request.headers[WIRE_HEADERS.boot]);
  if (before !== undefined && (boot === undefined || boot !== before.boot)) noteRival(context, peer);
  const outcome = await context.holds.hold(context.handler.mailboxes, owner, waitMs, gone, boot);
  exchange.ended = outcome === 'ended';
  context.handler.admit(peer); // [T-A15] revoked while it was held
}

/** Each ends the poll of the other: neither is harmed, but commands go to whichever asks next. */
function noteRival({ rivals, clock, logger, metrics, handler }: ExchangeContext, peer: Peer): void {
  metrics.secondPolls.inc();
  if (!rivals.ended(peer.identity.id, clock.monotonic())) return;
  const fields = { component: peer.identity.id, address: peer.address };
  logger.error(fields, 'two processes poll with this identity: only one of them may');
  handler.twice?.(peer, 'two-pollers');
}

async function readMailbox({ handler, metrics }: ExchangeContext, exchange: Exchange): Promise<void> {
  const { ack, peer, ended, gone } = exchange;
  if (!ack || ended || gone.aborted) return;
  const budget = { maxMessages: LIMITS.messages, maxBytes: LIMITS.replyBytes };
  exchange.page = await handler.mailboxes.read(peer.identity.id, budget);
  metrics.delivered.inc({}, exchange.page.messages.length);
}

async function writeAnswer(context: ExchangeContext, exchange: Exchange): Promise<void> {
  const { request, page } = exchange;
  const written = writtenAnswer(context, exchange);
  const { body, headers } = await pack(context, request, written);
  context.metrics.bytes.inc({ direction: 'out' }, body.length);
  exchange.answer = {
    status: 200,
    headers: {
      ...ANSWER_HEADERS,
      ...(page ? { [WIRE_HEADERS.mailbox]: formatPlace(page) } : {}),
      ...headers,
      'content-type': contentTypeOf(written.boundary),
    },
    body,
  };
}

/** What says nothing but a page is written once for all who get the same. */
function writtenAnswer(context: ExchangeContext, { request, peer, page, verdicts }: Exchange): PageBody {
  const now = context.clock.now();
  const stored = page?.messages ?? [];
  const isHello = request.headers[WIRE_HEADERS.hello] === '1';
  const write = (): PageBody => {
    const response: EnvelopeResponse = { verdicts, ...(isHello ? { marks: context.handler.marks(peer) } : {}) };
    const boundary = newBoundary(context.random);
    const messages = stored.flatMap((message) => sendable(context, message, now));
    return new PageBody(boundary, joined(writeReply(boundary, response, messages)));
  };
  return verdicts.length > 0 || isHello || stored.length === 0 ? write() : context.pages.of(stored, now, write);
}

/** One whose header has no room for another hop would stop all that come after it: it is reported and left out. */
function sendable({ self, logger }: ExchangeContext, message: StoredMessage, now: number): RawMessage[] {
  try {
    return [withOwnHop(self, message, now)];
  } catch (thrown) {
    const { code, detail } = toBackhaulError(thrown);
    logger.error({ id: message.id, code, detail }, 'a message of a mailbox cannot be sent');
    return [];
  }
}

async function pack(context: ExchangeContext, request: ExchangeRequest, written: PageBody) {
  const { plain } = written;
  const wanted = single(request.headers['accept-encoding']);
  if (!context.compress || plain.length < COMPRESS_FROM_BYTES || !/\b(gzip|zstd)\b/.test(wanted ?? '')) {
    return { body: plain, headers: {} };
  }
  const encoding = chooseEncoding(wanted);
  return { body: await written.packed(encoding), headers: { 'content-encoding': encoding } };
}
