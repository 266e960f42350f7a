import { BackhaulError } from '@backhaul/runtime';
import { type Page, readCursor, textKey, toPage } from '../api/paging.ts';
import type { InstallTables } from '../service-modules/installs.ts';
import type { ScopedQueries } from '../store/scoped-queries.ts';

export interface InstallItem {
  readonly push: string;
  readonly component: string;
  readonly site: string | null;
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly percent: number | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly updatedAt: number;
}

/** Members of the newest pushes, the last change first. */
export async function listInstalls(queries: ScopedQueries, limit: number): Promise<InstallItem[]> {
  const members = await queries
    .from('pushMembers')
    .selectAll()
    .orderBy('updatedAt', 'desc')
    .orderBy('component')
    .limit(limit)
    .execute();
  if (members.length === 0) return [];
  const pushes = await queries
    .from('pushes')
    .select(['id', 'name', 'version'])
    .where('id', 'in', [...new Set(members.map(({ push }) => push))])
    .execute();
  const names = new Map(pushes.map((push) => [push.id, push]));
  return members.map(({ push, component, site, state, percent, code, reason, updatedAt }) => {
    const { name = '', version = '' } = names.get(push) ?? {};
    return { push, component, site, name, version, state, percent, code, reason, updatedAt };
  });
}

export async function listPushes(queries: ScopedQueries, page: Page) {
  const [before] = readCursor(page, textKey) ?? ['~'];
  const rows = await queries
    .from('pushes')
    .selectAll()
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
    .execute();
  return toPage(rows, page, ({ id }) => [id], asSummary);
}

/** One push with each member and its steps. @throws BH-E-NOT-FOUND */
export async function readPush(queries: ScopedQueries, id: string) {
  const push = await queries.from('pushes').selectAll().where('id', '=', id).executeTakeFirst();
  if (!push) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `push ${id}` });
  const members = await queries.from('pushMembers').selectAll().where('push', '=', id).orderBy('component').execute();
  const steps = await queries
    .from('pushSteps')
    .selectAll()
    .where('push', '=', id)
    .orderBy('component')
    .orderBy('madeAt')
    .orderBy('sequence')
    .execute();
  const byComponent = Map.groupBy(steps, ({ component }) => component);
  const isMember = new Set(members.map(({ component }) => component));
  return {
    ...asSummary(push),
    members: members.map((member) => asMember(member, byComponent.get(member.component) ?? [])),
    authorisations: steps
      .filter(({ component }) => !isMember.has(component))
      .map(({ component, ...step }) => ({ component, ...asStep(step) })),
    ...(await traffic(queries, push)),
  };
}

interface Traffic {
  readonly wanFetches: number;
  readonly wanBytes: number;
  readonly lanBytes: number;
}

/** Since the push: complete fetches of the artifact from here and all bytes sent for it, and what MLMs handed out below. */
async function traffic(queries: ScopedQueries, { artifact, createdAt }: InstallTables['pushes']): Promise<Traffic> {
  const fetches = await queries
    .from('artifactFetches')
    .select(['bytes', 'complete'])
    .where('sha256', '=', artifact)
    .where('at', '>=', createdAt)
    .execute();
  const transfers = await queries
    .from('transfers')
    .select('lanBytes')
    .where('sha256', '=', artifact)
    .where('at', '>=', createdAt)
    .execute();
  return {
    wanFetches: fetches.filter(({ complete }) => complete === 1).length,
    wanBytes: fetches.reduce((sum, { bytes }) => sum + bytes, 0),
    lanBytes: transfers.reduce((sum, { lanBytes }) => sum + lanBytes, 0),
  };
}

function asSummary({
  id,
  artifact,
  name,
  version,
  size,
  publicKey,
  destination,
  customer,
  createdAt,
  expiresAt,
}: InstallTables['pushes']) {
  return {
    id,
    artifact,
    name,
    version,
    size,
    publicKey,
    destination: JSON.parse(destination) as unknown,
    customer,
    createdAt,
    expiresAt,
  };
}

function asMember(
  { component, state, percent, code, reason, updatedAt }: InstallTables['pushMembers'],
  steps: readonly InstallTables['pushSteps'][],
) {
  return { component, state, percent, code, reason, updatedAt, history: steps.map(asStep) };
}

function asStep({ state, percent, code, reason, at, madeAt }: Omit<InstallTables['pushSteps'], 'component'>) {
  return { state, percent, code, reason, at, madeAt };
}
