import { z } from 'zod';
import { revokeMessage } from '../mailboxes/revocation.ts';
import { readLedger } from '../queries/ledger.ts';
import { listMessages, readMessage, traceMessage } from '../queries/messages.ts';
import { readSummary } from '../queries/summary.ts';
import { pageOf, pageQuery } from './paging.ts';
import { type Route, route } from './route.ts';

const text = z.string().max(128);
const id = z.strictObject({ id: z.string().max(64) });
const direction = z.enum(['up', 'down']);

const message = z
  .strictObject({
    id: z.string(),
    direction,
    customer: z.string(),
    site: z.string().nullable(),
    instance: z.string().nullable().meta({ description: 'the support instance it is about' }),
    class: z.string(),
    subclass: z.string(),
    classification: z.string(),
    contentType: z.string(),
    source: z.string(),
    epoch: z.string(),
    lane: z.int(),
    sequence: z.int(),
    madeAt: z.int().meta({ description: 'wall ms at the source' }),
    receivedAt: z.int().meta({ description: 'wall ms at this application server' }),
    peer: z.string().meta({ description: 'who handed it over' }),
    eventKey: z.string().nullable(),
    inReplyTo: z.string().nullable(),
    note: z.string().nullable().meta({ description: 'what a service module could not do with it' }),
  })
  .meta({ id: 'Message' });

const range = z.strictObject({
  first: z.int(),
  last: z.int(),
  fate: z.string(),
  rule: z.string().optional(),
  aggregate: z.string().optional(),
  at: z.string().optional(),
  below: z.string().optional().meta({ description: 'in flight at or below this hop: none has told that it holds it' }),
});

const ledgerLine = z
  .strictObject({
    source: z.string(),
    epoch: z.string(),
    lane: z.int(),
    customer: z.string(),
    site: z.string().nullable(),
    through: z.int().meta({ description: 'highest sequence known' }),
    settledThrough: z.int().meta({ description: 'up to here everything is accounted for and the details are pruned' }),
    delivered: z.int(),
    filtered: z.int(),
    merged: z.int(),
    held: z.int(),
    superseded: z.int(),
    expired: z.int(),
    evicted: z.int(),
    deadLetter: z.int(),
    revoked: z.int(),
    unknownAfterSend: z.int(),
    duplicate: z.int().meta({ description: 'the same event was told before, by another message' }),
    inFlight: z.int().meta({ description: 'given, and still on its way; the ranges say at or below which hop' }),
    unexplained: z.int().meta({ description: 'given, and nobody on the way has it any more' }),
    ranges: z.array(range).meta({ description: 'the first 200 ranges in order' }),
  })
  .meta({ id: 'LedgerLine' });

const summary = z
  .strictObject({
    messages: z.array(
      z.strictObject({ class: z.string(), subclass: z.string(), direction, messages: z.int(), bytes: z.int() }),
    ),
    filtered: z.int(),
    merged: z.int(),
    removed: z.array(
      z.strictObject({ reason: z.string(), rule: z.string().nullable(), at: z.string(), messages: z.int() }),
    ),
    transfers: z.strictObject({ wanBytes: z.int(), wanFetches: z.int(), lanBytes: z.int(), lanDestinations: z.int() }),
  })
  .meta({ id: 'Summary' });

const trace = z
  .strictObject({
    id: z.string(),
    direction,
    source: z.string(),
    madeAt: z.int(),
    receivedAt: z.int(),
    hops: z.array(z.strictObject({ id: z.string(), in: z.int(), out: z.int().nullable(), left: z.int().optional() })),
  })
  .meta({ id: 'Trace' });

/** Messages, what became of those that are not here, and the sums. */
export const messageRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/messages', tag: 'messages', summary: 'Messages, the newest first' },
    query: z.strictObject({
      ...pageQuery.shape,
      ...{ class: text.optional(), subclass: text.optional(), source: text.optional(), customer: text.optional() },
      ...{ site: text.optional(), instance: text.optional(), direction: z.enum(['up', 'down', 'all']).default('up') },
    }),
    reply: pageOf(message),
    handle: ({ queries, query }) =>
      listMessages(queries, { ...query, direction: query.direction === 'all' ? undefined : query.direction }, query),
  }),
  route({
    ...{ method: 'get', path: '/messages/:id', tag: 'messages', summary: 'One message: header, routing, content' },
    params: id,
    reply: z
      .strictObject({ ...message.shape, header: z.unknown(), content: z.unknown(), bytes: z.int() })
      .meta({ id: 'MessageDetail' }),
    handle: ({ queries, params }) => readMessage(queries, params.id),
  }),
  route({
    ...{ method: 'get', path: '/messages/:id/trace', tag: 'messages', summary: 'The way of a message, hop by hop' },
    params: id,
    reply: trace,
    handle: ({ services, queries, params }) => traceMessage(queries, services.self, params.id),
  }),
  route({
    ...{ method: 'post', path: '/messages/:id/revoke', tag: 'messages' },
    summary: 'Take back a command or an offer from the members it has not reached',
    params: id,
    body: z.strictObject({ reason: z.string().trim().min(1).max(500) }),
    reply: z.strictObject({
      revoked: z.array(z.string()).meta({ description: 'members that never had it' }),
      asked: z.array(z.string()).meta({ description: 'members whose hops are told to take it back' }),
    }),
    handle: ({ services, queries, params, body, now }) =>
      revokeMessage(services, queries, { ...params, ...body, now }).then(({ revoked, asked }) => ({
        revoked: [...revoked],
        asked: [...asked],
      })),
  }),
  route({
    ...{ method: 'get', path: '/ledger', tag: 'messages', summary: 'What became of every sequence number' },
    query: z.strictObject({ ...pageQuery.shape, source: text.optional() }),
    reply: z.strictObject({
      ...pageOf(ledgerLine).shape,
      inFlight: z.int().meta({ description: 'over all lines, shown or not' }),
      unexplained: z.int().meta({ description: 'over all lines, shown or not' }),
    }),
    handle: ({ queries, query, services, now }) =>
      readLedger(queries, query.source, query, {
        ...{ tree: services.directory.tree, graceMs: services.ledgerGraceMs, now },
      }),
  }),
  route({
    ...{
      method: 'get',
      path: '/metrics-summary',
      tag: 'messages',
      summary: 'Messages by class, what was left out and why, bytes above and below',
    },
    reply: summary,
    handle: ({ queries }) => readSummary(queries),
  }),
];
