import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import type { ScopedQueries } from '../store/scoped-queries.ts';
import { pageOf, pageQuery, readCursor, textKey, toPage } from './paging.ts';
import { type Route, route } from './route.ts';
import type { Services } from './services.ts';

const mailbox = z
  .strictObject({
    owner: z.string(),
    messages: z.int().meta({ description: 'waiting' }),
    bytes: z.int(),
    oldestAt: z.int().nullable().meta({ description: 'when the oldest of them was put there' }),
    acknowledged: z.int().meta({ description: 'number of the last one that the owner has said it has' }),
    last: z.int().meta({ description: 'number given last' }),
    lastHeardAt: z.int().nullable(),
  })
  .meta({ id: 'Mailbox' });

const owner = z.strictObject({ owner: z.string().max(64) });
const tag = 'operations';

/** What waits here on its way down, by direct child. */
export const mailboxRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/mailboxes', tag, summary: 'Mailboxes of the direct children, by owner' },
    query: pageQuery,
    reply: pageOf(mailbox),
    handle: async ({ services, queries, query }) => {
      const [after] = readCursor(query, textKey) ?? [''];
      const rows = await visibleChildren(services, queries);
      const shown = rows.filter((id) => id > after).slice(0, query.limit + 1);
      const items = await Promise.all(shown.map((id) => describe(services, id)));
      return toPage(
        items,
        query,
        (item) => [item.owner],
        (item) => item,
      );
    },
  }),
  route({
    ...{ method: 'get', path: '/mailboxes/:owner', tag, summary: 'One mailbox' },
    params: owner,
    reply: mailbox,
    handle: async ({ services, queries, params }) => {
      await requireVisible(services, queries, params.owner);
      return describe(services, params.owner);
    },
  }),
  route({
    ...{ method: 'post', path: '/mailboxes/:owner/poke', tag },
    summary: 'Answer a poll of the owner that is being held, now; it asks again with what it has',
    params: owner,
    reply: z.strictObject({ owner: z.string(), held: z.int().meta({ description: 'polls that were answered' }) }),
    handle: async ({ services, queries, params }) => {
      await requireVisible(services, queries, params.owner);
      return { owner: params.owner, held: services.mailboxes.poke(params.owner) };
    },
  }),
];

async function visibleChildren({ directory }: Services, queries: ScopedQueries): Promise<string[]> {
  const visible = new Set((await queries.from('components').select('id').execute()).map(({ id }) => id));
  const children = directory.tree.children(directory.tree.self).map(({ id }) => id);
  return children.filter((id) => visible.has(id)).toSorted();
}

async function requireVisible(services: Services, queries: ScopedQueries, id: string): Promise<void> {
  const children = await visibleChildren(services, queries);
  if (!children.includes(id)) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `mailbox of ${id}` });
}

async function describe({ mailboxes, lastHeard }: Services, id: string) {
  const { messages, bytes, oldestAt = null } = await mailboxes.depth(id);
  return { owner: id, messages, bytes, oldestAt, ...mailboxes.numbers(id), lastHeardAt: lastHeard.get(id) ?? null };
}
