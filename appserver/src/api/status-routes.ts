import { VERSION } from '@backhaul/runtime';
import { z } from 'zod';
import { type Route, route } from './route.ts';

const status = z
  .strictObject({
    id: z.string(),
    version: z.string(),
    startedAt: z.int(),
    now: z.int(),
    components: z.strictObject({ active: z.int(), heard: z.int(), overdue: z.int(), revoked: z.int() }),
    alarms: z.strictObject({ open: z.int(), unavailable: z.int() }),
    mailboxes: z.array(z.strictObject({ owner: z.string(), messages: z.int(), bytes: z.int() })),
    store: z.strictObject({ bytes: z.int(), commits: z.int() }),
    modules: z.array(
      z.strictObject({
        name: z.string(),
        state: z.enum(['running', 'taken out']),
        faults: z.int(),
        lastFault: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Status' });

/** The application server itself. */
export const statusRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/version', tag: 'server', summary: 'Version of this application server' },
    auth: 'public',
    reply: z.strictObject({ version: z.string(), api: z.literal('v1') }),
    handle: async () => ({ version: VERSION, api: 'v1' as const }),
  }),
  route({
    ...{ method: 'get', path: '/openapi.json', tag: 'server', summary: 'This description' },
    auth: 'public',
    reply: z.looseObject({ openapi: z.string() }),
    handle: async ({ services }) => services.openApi() as { openapi: string },
  }),
  route({
    ...{ method: 'get', path: '/status', tag: 'server', summary: 'How the application server and its components are' },
    reply: status,
    handle: async ({ services, queries, now }) => {
      const { self, startedAt, database, mailboxes, modules, lastHeard, overdueAfterMs } = services;
      const rows = await queries.from('components').select(['id', 'state']).execute();
      const active = rows.filter(({ state }) => state === 'active');
      const alarms = await queries
        .from('alarms')
        .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
        .groupBy('state')
        .execute();
      const countOf = (state: string) => alarms.find((row) => row.state === state)?.count ?? 0;
      const visible = new Set(rows.map(({ id }) => id));
      const { bytes, commits } = database.stats();
      return {
        ...{ id: self, version: VERSION, startedAt, now },
        components: {
          active: active.length,
          heard: active.filter(({ id }) => lastHeard.get(id) !== undefined).length,
          overdue: active.filter(({ id }) => lastHeard.isOverdue(id, overdueAfterMs)).length,
          revoked: rows.length - active.length,
        },
        alarms: { open: countOf('open'), unavailable: countOf('unavailable') },
        mailboxes: mailboxes.depths().filter(({ owner }) => visible.has(owner)),
        store: { bytes, commits },
        modules: modules.report(),
      };
    },
  }),
];
