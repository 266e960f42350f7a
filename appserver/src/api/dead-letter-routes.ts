import { commandParameters } from '@backhaul/envelope';
import { z } from 'zod';
import { listDeadLetters, readDeadLetter } from '../queries/dead-letters.ts';
import { sendCommand } from '../service-modules/commands.ts';
import { pageOf, pageQuery } from './paging.ts';
import { type Route, type RouteRequest, route } from './route.ts';

const number = z.coerce.number().int().min(1);
const state = z.enum(['waiting', 'replayed', 'discarded']);
const reason = z.string().trim().min(1).max(500);

const deadLetter = z
  .strictObject({
    number: z.int(),
    id: z.string(),
    source: z.string(),
    epoch: z.string(),
    lane: z.int(),
    sequence: z.int(),
    class: z.string(),
    subclass: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    instance: z.string().nullable(),
    madeAt: z.int(),
    peer: z.string().meta({ description: 'who handed it over' }),
    module: z.string().meta({ description: 'the service module that failed, or `store`' }),
    code: z.string(),
    detail: z.string(),
    faults: z.int(),
    firstAt: z.int().meta({ description: 'wall ms of the first fault' }),
    at: z.int().meta({ description: 'wall ms of the last one' }),
    bytes: z.int(),
    state,
    decidedAt: z.int().nullable(),
    reason: z.string().nullable().meta({ description: 'why it was discarded' }),
  })
  .meta({ id: 'DeadLetter' });

const HOUR_MS = 3_600_000;
const sent = z.strictObject({ id: z.string().meta({ description: 'of the command; see /commands/{id}' }) });
const component = z.string().max(64);
const tag = 'dead letters';

/** Messages set aside: here, and (by commands, answered like any other) at a component. */
export const deadLetterRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/dead-letters', tag, summary: 'Messages that failed again and again, by number' },
    query: z.strictObject({ ...pageQuery.shape, state: state.default('waiting'), after: number.optional() }),
    reply: pageOf(deadLetter),
    handle: ({ queries, query }) => listDeadLetters(queries, query, query),
  }),
  route({
    ...{ method: 'get', path: '/dead-letters/:number', tag, summary: 'One of them, with header and content' },
    params: z.strictObject({ number }),
    reply: z
      .strictObject({ ...deadLetter.shape, header: z.unknown(), content: z.unknown() })
      .meta({ id: 'DeadLetterDetail' }),
    handle: ({ queries, params }) => readDeadLetter(queries, params.number),
  }),
  route({
    ...{ method: 'post', path: '/dead-letters/:number/replay', tag, summary: 'Give it to the service modules again' },
    params: z.strictObject({ number }),
    body: z.strictObject({}),
    reply: z.strictObject({ id: z.string(), outcome: z.enum(['delivered', 'duplicate']) }),
    handle: async ({ services, queries, params }) => {
      await readDeadLetter(queries, params.number); // within the asker's scope
      return services.deadLetters.replay(params.number);
    },
  }),
  route({
    ...{ method: 'post', path: '/dead-letters/:number/discard', tag, summary: 'Give it up; the reason is kept' },
    params: z.strictObject({ number }),
    body: z.strictObject({ reason }),
    reply: z.strictObject({ id: z.string() }),
    handle: async ({ services, queries, params, body }) => {
      await readDeadLetter(queries, params.number);
      return services.deadLetters.discard(params.number, body.reason);
    },
  }),
  route({
    ...{ method: 'post', path: '/components/:id/dead-letters', tag, status: 202 },
    summary: 'Ask a component for the messages that it has set aside',
    params: z.strictObject({ id: component }),
    body: z.strictObject({ after: z.int().min(0).optional(), limit: z.int().min(1).max(500).optional() }),
    reply: sent,
    handle: (request) => ask(request, request.params.id, 'list-dead-letters', request.body),
  }),
  ...(['read', 'replay', 'discard'] as const).map((verb) =>
    route({
      ...{ method: 'post', path: `/components/:id/dead-letters/:number/${verb}`, tag, status: 202 },
      summary: `Have a component ${verb} one of them`,
      params: z.strictObject({ id: component, number }),
      body: z.strictObject(verb === 'discard' ? { reason } : {}),
      reply: sent,
      handle: (request) =>
        ask(request, request.params.id, `${verb}-dead-letter`, { number: request.params.number, ...request.body }),
    }),
  ),
];

function ask(
  { services, queries, now }: Pick<RouteRequest<unknown, unknown, unknown>, 'services' | 'queries' | 'now'>,
  id: string,
  command: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<{ id: string }> {
  const given = commandParameters.shape.parameters.parse(JSON.parse(JSON.stringify(parameters)));
  const body = { destination: { component: id }, command, parameters: given, expiresInMs: HOUR_MS };
  return sendCommand({ services, queries, now, body });
}
