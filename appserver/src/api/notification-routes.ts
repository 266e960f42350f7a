import { SEVERITIES } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { listNotifications } from '../queries/notifications.ts';
import { listOverdue } from '../queries/overdue.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { pageOf, pageQuery } from './paging.ts';
import { type Route, route } from './route.ts';

const deliveryState = z.enum(['waiting', 'sent', 'dead']);

const notification = z
  .strictObject({
    id: z
      .string()
      .meta({ description: 'the same at every attempt and every sender: receivers know a repetition by it' }),
    kind: z.string(),
    severity: z.enum(SEVERITIES),
    customer: z.string(),
    site: z.string().nullable(),
    subject: z.string().meta({ description: 'what it is about' }),
    text: z.string(),
    data: z.unknown(),
    at: z.int(),
    deliveries: z.array(
      z.strictObject({
        sender: z.string(),
        state: deliveryState.meta({ description: '`dead`: given up, and why' }),
        attempts: z.int(),
        nextAt: z.int().nullable(),
        code: z.string().nullable(),
        detail: z.string().nullable(),
        updatedAt: z.int(),
      }),
    ),
  })
  .meta({ id: 'Notification' });

const sender = z
  .strictObject({
    name: z.string(),
    use: z.string(),
    target: z.string().meta({ description: 'where it goes, without secrets' }),
    waiting: z.int(),
    dead: z.int(),
    sent: z.int(),
    lastSentAt: z.int().nullable(),
  })
  .meta({ id: 'NotificationSender' });

const overdueItem = z
  .strictObject({
    id: z.string(),
    kind: z.string(),
    customer: z.string(),
    site: z.string().nullable(),
    state: z.enum(['overdue', 'unreachable', 'returning']).meta({
      description: '`unreachable`: it stands behind others that are silent; `returning`: heard, not yet for long',
    }),
    since: z.int().meta({ description: 'heard last' }),
    noticedAt: z.int(),
    behind: z.string().nullable().meta({ description: 'the parent it is unreachable behind' }),
    returnedAt: z.int().nullable(),
    notified: z.boolean(),
  })
  .meta({ id: 'Overdue' });

const isProvider = ({ scope }: ScopedQueries): boolean => scope.kind === 'everything';

/** Who is not heard, and who was told of it. */
export const notificationRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/overdue', tag: 'operations', summary: 'Who should have been heard and was not' },
    query: pageQuery,
    reply: pageOf(overdueItem),
    handle: ({ queries, query }) => listOverdue(queries, query),
  }),
  route({
    ...{ method: 'get', path: '/notifications', tag: 'operations', summary: 'Notifications, the newest first' },
    query: z.strictObject({ ...pageQuery.shape, kind: z.string().max(64).optional(), state: deliveryState.optional() }),
    reply: pageOf(notification),
    handle: ({ queries, query }) => listNotifications(queries, query, query),
  }),
  route({
    ...{
      method: 'get',
      path: '/notification-senders',
      tag: 'operations',
      summary: 'Where notifications go, and how that goes',
    },
    reply: z.strictObject({ items: z.array(sender) }),
    handle: async ({ services, queries }) => ({
      items: isProvider(queries) ? await services.notifications.report() : [], // they are the provider's own
    }),
  }),
  route({
    ...{ method: 'post', path: '/notification-senders/:name/test', tag: 'operations', summary: 'Send a test at once' },
    params: z.strictObject({ name: z.string().max(64) }),
    reply: z.strictObject({ id: z.string(), sender: z.string(), target: z.string() }),
    handle: async ({ services, queries, params }) => {
      if (!isProvider(queries))
        throw new BackhaulError('BH-E-NOT-FOUND', { detail: `notification sender ${params.name}` });
      return services.notifications.test(params.name);
    },
  }),
];
