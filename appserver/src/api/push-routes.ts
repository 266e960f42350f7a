import { jsonElement } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { listPushes, readPush } from '../queries/pushes.ts';
import type { ArtifactRow } from '../store/schema.ts';
import { pageOf, pageQuery } from './paging.ts';
import { type RouteRequest, route } from './route.ts';
import { readTarget } from './target.ts';

const DAY_MS = 86_400_000;
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);

const pushRequest = z
  .strictObject({
    artifact: z.string().regex(/^[0-9a-f]{64}$/),
    group: name.optional(),
    component: name.optional(),
    expiresInMs: z
      .int()
      .min(60_000)
      .max(90 * DAY_MS)
      .default(7 * DAY_MS),
  })
  .refine(({ group, component }) => (group === undefined) !== (component === undefined), {
    message: 'either group or component',
  })
  .meta({ id: 'PushRequest' });

const step = z.strictObject({
  state: z.string(),
  percent: z.number().nullable(),
  code: z.string().nullable(),
  reason: z.string().nullable(),
  at: z.int().meta({ description: 'wall ms when it arrived here' }),
  madeAt: z.int(),
});

const pushSummary = z
  .strictObject({
    id: z.string().meta({ description: 'id of the offer' }),
    artifact: z.string(),
    name: z.string(),
    version: z.string(),
    size: z.int(),
    publicKey: z.string().meta({ description: 'name of the release key' }),
    destination: z.unknown(),
    customer: z.string(),
    createdAt: z.int(),
    expiresAt: z.int(),
  })
  .meta({ id: 'PushSummary' });

const pushState = z
  .strictObject({
    ...pushSummary.shape,
    members: z.array(
      z.strictObject({
        component: z.string(),
        state: z.string(),
        percent: z.number().nullable(),
        code: z.string().nullable(),
        reason: z.string().nullable(),
        updatedAt: z.int(),
        history: z.array(step),
      }),
    ),
    authorisations: z
      .array(z.strictObject({ component: z.string(), ...step.shape }))
      .meta({ description: 'what the hops above the members said' }),
    wanFetches: z.int().meta({ description: 'complete fetches from here since the push' }),
    wanBytes: z.int().meta({ description: 'bytes sent from here for it' }),
    lanBytes: z.int().meta({ description: 'bytes that MLMs have handed out below, as they report when they are done' }),
  })
  .meta({ id: 'PushState' });

/** Assignment: these components should have this artifact now. Whether they take it is theirs to say [DESIGN §6]. */
export const pushRoutes = [
  route({
    method: 'post',
    path: '/pushes',
    tag: 'software',
    summary: 'Offer an artifact to a component or a group',
    body: pushRequest,
    status: 202,
    reply: z.strictObject({ id: z.string() }),
    handle: push,
  }),
  route({
    method: 'get',
    path: '/pushes',
    tag: 'software',
    summary: 'Pushes, the newest first',
    query: pageQuery,
    reply: pageOf(pushSummary),
    handle: ({ queries, query }) => listPushes(queries, query),
  }),
  route({
    method: 'get',
    path: '/pushes/:id',
    tag: 'software',
    summary: 'One push and the outcome at each member',
    params: z.strictObject({ id: z.string().max(64) }),
    reply: pushState,
    handle: ({ queries, params }) => readPush(queries, params.id),
  }),
];

async function push({
  services,
  queries,
  body,
  now,
}: RouteRequest<unknown, unknown, z.output<typeof pushRequest>>): Promise<{ id: string }> {
  const artifact = await queries.from('artifacts').selectAll().where('sha256', '=', body.artifact).executeTakeFirst();
  if (!artifact) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `artifact ${body.artifact}` });
  const wanted = body.group === undefined ? { component: body.component! } : { group: body.group };
  return services.database.transaction(async (tx) => {
    const { members, destination, scope } = await readTarget(services.directory, queries, wanted); // in here no group changes any more
    const { tree } = services.directory;
    const other = members.find((id) => tree.get(id)!.kind !== 'proxy');
    if (other)
      throw new BackhaulError('BH-E-TARGET', { detail: `${other} is no proxy; only proxies install software` });
    services.modules.authorizeTransfer({
      class: 'software',
      subclass: 'offer',
      size: artifact.size,
      destinations: members,
    });
    const content = offerOf(artifact);
    const id = await services.downward.send(tx, tree, {
      class: 'software',
      subclass: 'offer',
      content,
      destination,
      members,
      expiresInMs: body.expiresInMs,
    });
    const { sha256, name, version, size, publicKey } = artifact;
    const row = {
      id,
      artifact: sha256,
      name,
      version,
      size,
      publicKey,
      destination: JSON.stringify(wanted),
      createdAt: now,
      expiresAt: now + body.expiresInMs,
    };
    await tx.db
      .insertInto('pushes')
      .values({ ...row, ...scope })
      .execute();
    for (const component of members) {
      const { customer, site } = tree.get(component)!;
      const state = {
        state: 'pending',
        percent: null,
        code: null,
        reason: null,
        epoch: '',
        sequence: 0,
        updatedAt: now,
      };
      await tx.db
        .insertInto('pushMembers')
        .values({ push: id, component, ...state, customer, site, instance: null, class: 'software' })
        .execute();
    }
    return { id };
  });
}

function offerOf({ sha256, size, name, version, manifest, signature, publicKey }: ArtifactRow) {
  return {
    type: 'bulkDataRequest' as const,
    ...{ sha256, size, class: 'software', subclass: 'offer', name, artifactVersion: version },
    location: `/v1/artifacts/${sha256}`,
    data: jsonElement({ manifest, signature, publicKey }),
  };
}
