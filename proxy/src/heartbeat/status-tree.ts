import type { StatusNode, StatusState } from '@backhaul/envelope';
import { VERSION } from '@backhaul/runtime';
import type { SpoolDepth } from '@backhaul/spool';
import type { UplinkStatus } from '@backhaul/transport';
import type { Directory } from '../directory/directory.ts';
import type { InstanceRecord, IntegratorRecord } from '../directory/directory-records.ts';
import type { Liveness } from '../directory/liveness.ts';

/** Support instances listed one by one; with more, a platform tells their number. Keeps the tree far below the body limit. */
const LISTED_INSTANCES = 2_000;

export interface StatusSources {
  readonly self: string;
  readonly startedAt: number;
  readonly directory: Directory;
  readonly liveness: Liveness;
  readonly depth: () => SpoolDepth;
  readonly uplink: () => UplinkStatus;
  readonly integratorOverdueMs: number;
}

/** proxy → integrators → platforms → support instances, as known now. */
export function statusTree(sources: StatusSources, now: number): StatusNode {
  const depth = sources.depth();
  const children = sources.directory.integrators().map((integrator) => integratorNode(sources, integrator, now));
  const worst = children.some(({ state }) => state === 'failed' || state === 'degraded');
  const { nextRetryAt } = sources.uplink();
  return {
    kind: 'proxy',
    id: sources.self,
    state: worst ? 'degraded' : 'ok',
    version: VERSION,
    since: sources.startedAt,
    heardAt: now,
    backlog: depth.messages,
    ...(depth.oldestAt === undefined ? {} : { oldestMs: Math.max(0, Math.round(now - depth.oldestAt)) }),
    ...(nextRetryAt === undefined ? {} : { nextRetryMs: Math.max(0, Math.round(nextRetryAt - now)) }),
    children,
  };
}

function integratorNode(sources: StatusSources, integrator: IntegratorRecord, now: number): StatusNode {
  const heardAt = sources.liveness.integrator(integrator.id);
  const own = sources.directory.instances().filter((instance) => instance.integrator === integrator.id);
  const platforms = Map.groupBy(own, ({ platform }) => platform);
  return {
    kind: 'integrator',
    id: integrator.id,
    ...integratorState(heardAt, now, sources.integratorOverdueMs),
    ...(heardAt === undefined ? {} : { heardAt }),
    children: [...platforms].map(([platform, instances]) => platformNode(sources, platform, instances)),
  };
}

function integratorState(
  heardAt: number | undefined,
  now: number,
  overdueMs: number,
): { state: StatusState; detail?: string } {
  if (heardAt === undefined) return { state: 'unknown', detail: 'not heard of since the proxy started' };
  const silentMs = now - heardAt;
  return silentMs > overdueMs
    ? { state: 'failed', detail: `silent for ${Math.round(silentMs / 1000)} s` }
    : { state: 'ok' };
}

function platformNode(
  { liveness, directory }: StatusSources,
  platform: string,
  instances: readonly InstanceRecord[],
): StatusNode {
  const nodes = instances.map((instance) => instanceNode(liveness, instance));
  const state = nodes.some((node) => node.state === 'failed' || node.state === 'degraded') ? 'degraded' : 'ok';
  const listed = directory.instances().length <= LISTED_INSTANCES;
  return {
    kind: 'platform',
    id: platform,
    state,
    ...(listed ? {} : { detail: `${nodes.length} support instances, not listed` }),
    children: listed ? nodes : [],
  };
}

function instanceNode(liveness: Liveness, { id, registeredAt }: InstanceRecord): StatusNode {
  const heard = liveness.instance(id);
  if (heard === undefined)
    return {
      kind: 'instance',
      id,
      state: 'unknown',
      since: registeredAt,
      detail: 'not heard of since the proxy started',
      children: [],
    };
  return {
    kind: 'instance',
    id,
    state: heard.state,
    heardAt: heard.at,
    ...(heard.text === undefined ? {} : { detail: heard.text }),
    children: [],
  };
}
