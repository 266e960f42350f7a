import type { IncomingMessage, ServerResponse } from 'node:http';
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
import { BackhaulError, type Clock, type Logger, type Random, toBackhaulError } from '@backhaul/runtime';
import type { MailboxPage } from '@backhaul/spool';
import { COMPRESS_FROM_BYTES, chooseEncoding, compress } from './compression.ts';
import { joined } from './joined.ts';
import type { LinkOrder } from './link-order.ts';
import { withOwnHop } from './own-hop.ts';
import type { PollHolds } from './poll-holds.ts';
import { ANSWER_HEADERS } from './refusal.ts';
import type { RelayMetrics } from './relay-metrics.ts';
import { type ByteBudget, readRequestBody } from './request-body.ts';
import type { Peer, RelayHandler } from './types.ts';
import {
  checkVersion,
  formatPlace,
  type LinkNumber,
  type MailboxPlace,
  parseLink,
  parsePlace,
  parseWait,
  single,
  WIRE_HEADERS,
} from './wire-headers.ts';

/** What the route works with; made once by the listener. */
export interface RouteContext {
  readonly self: string;
  readonly handler: RelayHandler;
  readonly order: LinkOrder;
  readonly holds: PollHolds;
  readonly received: ByteBudget;
  readonly compress: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RelayMetrics;
  draining(): boolean;
}

/** One request on its way through the stages. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly peer: Peer;
  /** aborts when the client goes away */
  readonly gone: AbortSignal;
  link?: LinkNumber;
  ack?: MailboxPlace;
  waitMs: number;
  heldBytes: number;
  leaveTurn?: () => void;
  raw: readonly RawMessage[];
  verdicts: readonly Verdict[];
  page?: MailboxPage;
  ended: boolean;
}

/** The path of a request on `POST /v1/envelopes`, from its headers to its answer. */
export const ENVELOPE_STAGES = [
  readHeaders,
  openEnvelope,
  acknowledgeMailbox,
  awaitTurn,
  acceptMessages,
  holdPoll,
  readMailbox,
  writeAnswer,
] as const;

export async function serveEnvelope(
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  gone: AbortSignal,
): Promise<void> {
  const exchange: Exchange = {
    request,
    response,
    peer,
    gone,
    waitMs: 0,
    heldBytes: 0,
    raw: [],
    verdicts: [],
    ended: false,
  };
  try {
    for (const stage of ENVELOPE_STAGES) await stage(context, exchange);
  } finally {
    context.received.give(exchange.heldBytes);
    if (exchange.leaveTurn) exchange.leaveTurn();
    else if (exchange.link) context.order.skip(peer.identity.id, exchange.link);
  }
}

function readHeaders(_context: RouteContext, exchange: Exchange): void {
  const { headers } = exchange.request;
  const link = parseLink(single(headers[WIRE_HEADERS.link]));
  if (link) exchange.link = link;
  checkVersion(single(headers[WIRE_HEADERS.version]), WIRE_VERSION);
  const ack = parsePlace('Backhaul-Ack', single(headers[WIRE_HEADERS.ack]));
  if (ack) exchange.ack = ack;
  exchange.waitMs = 1000 * parseWait(single(headers['prefer']));
}

async function openEnvelope({ received, metrics }: RouteContext, exchange: Exchange): Promise<void> {
  const { request } = exchange;
  const hold = (size: number): void => {
    received.take(size);
    exchange.heldBytes += size;
  };
  hold(Math.min(Number(request.headers['content-length'] ?? LIMITS.envelopeBytes), LIMITS.envelopeBytes));
  const { bytes, wireBytes } = await readRequestBody(request, LIMITS.envelopeBytes);
  if (bytes.length > wireBytes) hold(bytes.length - wireBytes);
  metrics.bytes.inc({ direction: 'in' }, wireBytes);
  metrics.envelopes.inc();
  exchange.raw = readEnvelope(request.headers['content-type'] ?? '', bytes);
}

/** What the owner has is removed before anything else is said to it [B1]. */
async function acknowledgeMailbox({ handler }: RouteContext, { ack, peer }: Exchange): Promise<void> {
  if (ack) await handler.mailboxes.acknowledge(peer.identity.id, ack.epoch, ack.through);
}

async function awaitTurn({ order }: RouteContext, exchange: Exchange): Promise<void> {
  const { link, peer, gone } = exchange;
  if (link) exchange.leaveTurn = await order.enter(peer.identity.id, link, gone);
}

/** One verdict per message; the answer is written after the handler has made durable what it accepts [S1]. */
async function acceptMessages(context: RouteContext, exchange: Exchange): Promise<void> {
  if (exchange.raw.length === 0) return;
  const { verdicts, messages, places } = readMessages(context.self, exchange.raw);
  const answers = messages.length === 0 ? [] : await context.handler.accept(exchange.peer, messages);
  if (answers.length !== messages.length) {
    throw new BackhaulError('BH-E-INTERNAL', { detail: 'the handler did not answer every message' });
  }
  places.forEach((place, i) => {
    verdicts[place] = answers[i]!;
  });
  exchange.verdicts = verdicts;
  const accepted = verdicts.filter((verdict) => verdict.accepted).length;
  context.metrics.messages.inc({ verdict: 'accepted' }, accepted);
  if (accepted < verdicts.length) context.metrics.messages.inc({ verdict: 'refused' }, verdicts.length - accepted);
}

/** A message that cannot be read, or has been here before [E2], is refused alone. */
function readMessages(self: string, raw: readonly RawMessage[]) {
  const verdicts: Verdict[] = new Array<Verdict>(raw.length);
  const messages: Message[] = [];
  const places: number[] = [];
  for (const [place, parts] of raw.entries()) {
    try {
      messages.push(checkRoute(self, toMessage(parts)));
      places.push(place);
    } catch (thrown) {
      const error = toBackhaulError(thrown);
      const detail = error.detail === undefined ? {} : { detail: error.detail };
      verdicts[place] = { accepted: false, code: error.code, retryable: error.retryable, ...detail };
    }
  }
  return { verdicts, messages, places };
}

function checkRoute(self: string, message: Message): Message {
  const { routing } = message.header;
  if (routing.some((hop) => hop.id === self)) throw new BackhaulError('BH-E-LOOP', { detail: self });
  if (routing.length >= LIMITS.hops) throw new BackhaulError('BH-E-LOOP', { detail: `more than ${LIMITS.hops} hops` });
  return message;
}

/** Only an empty envelope is held: no acceptance ever waits [DESIGN §3]. */
async function holdPoll(context: RouteContext, exchange: Exchange): Promise<void> {
  const { ack, peer, gone, waitMs, raw } = exchange;
  if (!ack) return;
  const owner = peer.identity.id;
  context.holds.end(owner);
  if (waitMs === 0 || raw.length > 0 || context.draining()) return;
  const outcome = await context.holds.hold(context.handler.mailboxes, owner, waitMs, gone);
  exchange.ended = outcome === 'ended';
  context.handler.admit(peer); // [T-A15] revoked while it was held
}

async function readMailbox({ handler, metrics }: RouteContext, exchange: Exchange): Promise<void> {
  const { ack, peer, ended, gone } = exchange;
  if (!ack || ended || gone.aborted) return;
  const budget = { maxMessages: LIMITS.messages, maxBytes: LIMITS.replyBytes };
  exchange.page = await handler.mailboxes.read(peer.identity.id, budget);
  metrics.delivered.inc({}, exchange.page.messages.length);
}

async function writeAnswer(context: RouteContext, exchange: Exchange): Promise<void> {
  const { request, response, peer, page, verdicts } = exchange;
  const now = context.clock.now();
  const marks = request.headers[WIRE_HEADERS.hello] === '1' ? { marks: context.handler.marks(peer) } : {};
  const answer: EnvelopeResponse = { verdicts, ...marks };
  const boundary = newBoundary(context.random);
  const messages = (page?.messages ?? []).map((message) => withOwnHop(context.self, message, now));
  const plain = joined(writeReply(boundary, answer, messages));
  const { body, headers } = await pack(context, request, plain);
  context.metrics.bytes.inc({ direction: 'out' }, body.length);
  response.writeHead(200, {
    ...ANSWER_HEADERS,
    ...(page ? { [WIRE_HEADERS.mailbox]: formatPlace(page) } : {}),
    ...headers,
    ...(context.draining() ? { connection: 'close' } : {}),
    'content-type': contentTypeOf(boundary),
    'content-length': body.length,
  });
  response.end(body);
}

async function pack(context: RouteContext, request: IncomingMessage, plain: Buffer) {
  const wanted = request.headers['accept-encoding'];
  if (!context.compress || plain.length < COMPRESS_FROM_BYTES || !/\b(gzip|zstd)\b/.test(wanted ?? '')) {
    return { body: plain, headers: {} };
  }
  const encoding = chooseEncoding(wanted);
  return { body: await compress(encoding, plain), headers: { 'content-encoding': encoding } };
}
