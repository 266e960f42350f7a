import type { StatusNode } from '@backhaul/envelope';
import type { ModuleChain } from '@backhaul/modules';
import { type Clock, VERSION } from '@backhaul/runtime';
import type { Mailboxes, Spool } from '@backhaul/spool';
import type { EpochWatch, UplinkStatus } from '@backhaul/transport';
import type { Membership } from './membership/membership.ts';

/** How it goes with the parent. */
export type ParentHealth = Pick<UplinkStatus, 'connected' | 'nextRetryAt' | 'lastError'>;

export interface StatusOptions {
  readonly self: string;
  readonly membership: Membership;
  readonly mailboxes: Mailboxes;
  readonly spool: Spool;
  readonly parent: () => ParentHealth;
  readonly modules: Pick<ModuleChain, 'status'>;
  readonly epochs: Pick<EpochWatch, 'isClone'>;
  readonly heardAt: (id: string) => number | undefined;
  readonly clock: Clock;
}

/** This MLM and its direct children, as it sees them. */
export function statusTree(options: StatusOptions): StatusNode {
  const { self, membership, spool, clock } = options;
  const { connected, nextRetryAt } = options.parent();
  const detail = troubles(options).join('; ');
  const depth = spool.depth();
  const now = clock.now();
  const children = membership.tree.activeChildren;
  return {
    kind: 'mlm',
    id: self,
    state: detail === '' ? 'ok' : 'degraded',
    version: VERSION,
    backlog: depth.messages,
    ...(depth.oldestAt === undefined ? {} : { oldestMs: Math.max(0, now - depth.oldestAt) }),
    ...(connected || nextRetryAt === undefined ? {} : { nextRetryMs: Math.max(0, nextRetryAt - now) }),
    ...(detail === '' ? {} : { detail }),
    children: children.map((child) => childNode(options, child)),
  };
}

/** What somebody should look at. A parent that has not been asked yet, at the start, is no trouble. */
function troubles({ parent, modules }: StatusOptions): string[] {
  const { connected, lastError } = parent();
  const line = connected || lastError === undefined ? [] : [`the parent does not answer ${lastError.code}`];
  const out = modules.status().filter(({ state }) => state === 'taken-out');
  return [...line, ...out.map(({ name, lastFault }) => `module ${name} was taken out: ${lastFault}`)];
}

function childNode(options: StatusOptions, { id, kind }: { id: string; kind: string }): StatusNode {
  const heard = options.heardAt(id);
  return {
    kind: kind === 'mlm' ? 'mlm' : 'proxy',
    id,
    ...childState(options, id, heard),
    ...(heard === undefined ? {} : { heardAt: heard }),
    children: [],
  };
}

function childState(
  { mailboxes, epochs }: StatusOptions,
  id: string,
  heard: number | undefined,
): Pick<StatusNode, 'state' | 'detail'> {
  if (epochs.isClone(id)) return { state: 'failed', detail: 'two live components speak with this identity' };
  if (heard === undefined) return { state: 'unknown', detail: 'not heard since this MLM started' };
  return { state: 'ok', detail: `${mailboxes.depth(id).messages} messages in its mailbox` };
}
