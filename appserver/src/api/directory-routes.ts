import { sitePackage } from '@backhaul/identity';
import { z } from 'zod';
import { MAX_PARENTS } from '../directory/component-parents.ts';
import { listComponents, readComponent } from '../queries/components.ts';
import { listCustomers, listSites, requireCustomer } from '../queries/customers.ts';
import { pageOf, pageQuery, readCursor, textKey, toPage } from './paging.ts';
import { type Route, route } from './route.ts';

/** What a person calls something: any text of one line. */
const title = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'one line of text');
/** What is also the name of a group [T-A11]. */
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'small letters, digits, dot, dash, underscore');
const id = z.string().max(64);
const hostName = z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/);

const customer = z.strictObject({ id: z.string(), name: z.string(), createdAt: z.int() }).meta({ id: 'Customer' });
const site = z.strictObject({ customer: z.string(), name: z.string(), createdAt: z.int() }).meta({ id: 'Site' });
const group = z
  .strictObject({
    name: z.string(),
    kind: z.enum(['site', 'static']),
    customer: z.string(),
    site: z.string().nullable(),
    members: z.array(z.string()),
  })
  .meta({ id: 'Group' });

const component = z
  .strictObject({
    id: z.string(),
    kind: z.string(),
    parent: z.string().meta({ description: 'the preferred one' }),
    parents: z.array(z.string()).meta({ description: 'what it may hang below, in order of preference' }),
    customer: z.string(),
    site: z.string().nullable(),
    state: z.enum(['active', 'revoked']),
    createdAt: z.int(),
    lastHeardAt: z.int().nullable(),
    overdue: z.boolean().meta({ description: 'heard of before, but not lately' }),
    watch: z
      .strictObject({
        state: z.enum(['overdue', 'unreachable', 'returning']),
        since: z.int(),
        behind: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'when it is not simply heard: since when, and the silent parent it stands behind' }),
    version: z.string().nullable(),
    health: z.string().nullable().meta({ description: 'as it says itself' }),
    heartbeatAt: z.int().nullable().meta({ description: 'when it said so' }),
    backlog: z
      .strictObject({ messages: z.int(), oldestAt: z.int().optional(), nextRetryAt: z.int().optional() })
      .nullable(),
    notice: z
      .string()
      .nullable()
      .meta({ description: 'its last notice: `cold-start`, `shutdown`, `store-findings`, …' }),
    noticeAt: z.int().nullable(),
  })
  .meta({ id: 'Component' });

const componentDetail = z
  .strictObject({
    ...component.shape,
    children: z.array(z.string()),
    heartbeat: z.unknown().meta({ description: 'its last status tree' }),
  })
  .meta({ id: 'ComponentDetail' });

const packageRequest = z
  .strictObject({
    mlms: z.int().min(0).max(100).default(1),
    proxies: z.int().min(0).max(10_000).default(1),
    parent: z
      .strictObject({ id: name, url: z.url().optional() })
      .optional()
      .meta({ description: 'what the topmost hang below, when not this application server' }),
    mlmUrl: z.url().optional().meta({ description: 'where the proxies will reach the MLM of the site' }),
    mlmUrls: z
      .array(z.url())
      .max(100)
      .default([])
      .meta({ description: 'the same for several MLMs, in the order of their IDs' }),
    redundant: z
      .boolean()
      .default(false)
      .meta({ description: 'each new proxy hangs below all MLMs of the site, preferring them in turn' }),
    names: z
      .array(hostName)
      .max(32)
      .default([])
      .meta({ description: 'DNS and IP names for the certificates of the MLMs' }),
  })
  .meta({ id: 'PackageRequest' });

const customerParams = z.strictObject({ id });

/** Customers, sites, components and groups. */
export const directoryRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/customers', tag: 'directory', summary: 'Customers' },
    query: pageQuery,
    reply: pageOf(customer),
    handle: ({ queries, query }) => listCustomers(queries, query),
  }),
  route({
    ...{ method: 'post', path: '/customers', tag: 'directory', summary: 'Register a customer' },
    body: z.strictObject({ name: title }),
    status: 201,
    reply: customer,
    handle: ({ services, body }) => services.directory.addCustomer(body.name),
  }),
  route({
    ...{ method: 'get', path: '/customers/:id/sites', tag: 'directory', summary: 'Sites of a customer' },
    params: customerParams,
    query: pageQuery,
    reply: pageOf(site),
    handle: ({ queries, params, query }) => listSites(queries, params.id, query),
  }),
  route({
    ...{
      method: 'post',
      path: '/customers/:id/sites',
      tag: 'directory',
      summary: 'Register a site; its name is also the name of the group of its proxies',
    },
    params: customerParams,
    body: z.strictObject({ name }),
    status: 201,
    reply: site,
    handle: async ({ services, queries, params, body }) => {
      await requireCustomer(queries, params.id);
      return services.directory.addSite(params.id, body.name);
    },
  }),
  route({
    ...{
      method: 'post',
      path: '/customers/:id/sites/:site/package',
      tag: 'directory',
      summary: 'Make the package a site is installed with; holds one-time tokens',
    },
    params: z.strictObject({ id, site: name }),
    body: packageRequest,
    status: 201,
    reply: sitePackage,
    handle: async ({ services, queries, params, body }) => {
      await requireCustomer(queries, params.id);
      const { parent, mlmUrl, mlmUrls, ...counts } = body;
      const parentOf = parent && { id: parent.id, ...(parent.url === undefined ? {} : { url: parent.url }) };
      const request = {
        customer: params.id,
        site: params.site,
        ...counts,
        ...(parentOf ? { parent: parentOf } : {}),
        mlmUrls: mlmUrl === undefined ? mlmUrls : [mlmUrl, ...mlmUrls],
      };
      return services.sitePackages.make(request);
    },
  }),
  route({
    ...{ method: 'get', path: '/components', tag: 'directory', summary: 'Components; `parent` makes them a tree' },
    query: z.strictObject({ ...pageQuery.shape, customer: id.optional(), site: name.optional() }),
    reply: pageOf(component),
    handle: ({ services, queries, query }) => listComponents(queries, services, query, query),
  }),
  route({
    ...{ method: 'get', path: '/components/:id', tag: 'directory', summary: 'One component with its last status tree' },
    params: customerParams,
    reply: componentDetail,
    handle: ({ services, queries, params }) => readComponent(queries, services, params.id),
  }),
  route({
    ...{
      method: 'post',
      path: '/components/:id/revoke',
      tag: 'directory',
      summary: 'Revoke a component: refused from its next request on',
    },
    params: customerParams,
    reply: componentDetail,
    handle: async ({ services, queries, params }) => {
      await readComponent(queries, services, params.id);
      await services.directory.revoke(params.id);
      return readComponent(queries, services, params.id);
    },
  }),
  route({
    ...{
      method: 'put',
      path: '/components/:id/parents',
      tag: 'directory',
      summary: 'Set what a component hangs below, in order of preference: redundant paths',
    },
    params: customerParams,
    body: z.strictObject({ parents: z.array(id).min(1).max(MAX_PARENTS) }),
    reply: componentDetail,
    handle: async ({ services, queries, params, body }) => {
      await readComponent(queries, services, params.id);
      await services.directory.setParents(params.id, body.parents);
      return readComponent(queries, services, params.id);
    },
  }),
  route({
    ...{ method: 'get', path: '/groups', tag: 'directory', summary: 'Groups: one for each site, and the static ones' },
    query: pageQuery,
    reply: pageOf(group),
    handle: async ({ services, queries, query }) => {
      const visible = new Set((await queries.from('components').select('id').execute()).map((row) => row.id));
      const [after] = readCursor(query, textKey) ?? [''];
      const groups = services.directory.snapshot
        .groups()
        .filter(
          (g) =>
            g.members.every((member) => visible.has(member)) &&
            (queries.scope.kind === 'everything' || g.members.length > 0),
        );
      const sorted = groups.filter((g) => g.name > after).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return toPage(
        sorted.slice(0, query.limit + 1),
        query,
        (g) => [g.name],
        (g) => ({ ...g, members: [...g.members] }),
      );
    },
  }),
  route({
    ...{ method: 'put', path: '/groups/:name', tag: 'directory', summary: 'Set the members of a static group' },
    params: z.strictObject({ name }),
    body: z.strictObject({ members: z.array(id).max(10_000) }),
    reply: group,
    handle: async ({ services, params, body }) => {
      const set = await services.directory.setGroup(params.name, body.members);
      return { ...set, members: [...set.members] };
    },
  }),
];
